"""What can go wrong only over HTTP.

LoginNeeded
└── SessionExpired      the credential does not hold (any more)
BadRequest
└── HostRefused         an address of another system that must not be asked
OneMapError
└── OriginFailed        another system gave no usable answer
    └── OriginTimedOut  … because it took too long
"""

from __future__ import annotations

from layers.errors import BadRequest, LoginNeeded, OneMapError

COOKIE = "onemap_session"


class SessionExpired(LoginNeeded):
    """The credential does not hold; the answer takes the cookie back, so that the next call is anonymous."""


class HostRefused(BadRequest):
    """The address leads to where services of other systems are not looked for."""


class OriginFailed(OneMapError):
    """The service of another system failed; its own words are not passed on."""


class OriginTimedOut(OriginFailed):
    """The service of another system took longer than it is waited for."""
