"""What can go wrong only over HTTP.

LoginNeeded
└── SessionExpired      the credential does not hold (any more)
"""

from __future__ import annotations

from layers.errors import LoginNeeded

COOKIE = "onemap_session"


class SessionExpired(LoginNeeded):
    """The credential does not hold; the answer takes the cookie back, so that the next call is anonymous."""
