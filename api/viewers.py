"""Credentials looked up a moment ago, so that a page full of tiles asks the database once."""

from __future__ import annotations

import time
from collections import OrderedDict

from layers.access import Viewer

KEPT_S = 5.0
"""How long a credential is taken on trust; a session ended in another process lives this much longer."""
KEPT_AT_MOST = 10_000


class Viewers:
    """Viewers by secret, for `KEPT_S` seconds, at most `KEPT_AT_MOST` of them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Viewer]] = OrderedDict()

    def get(self, secret: str) -> Viewer | None:
        """The viewer, if looked up within `KEPT_S`."""
        found = self._kept.get(secret)
        if found is None or found[0] < time.monotonic():
            self._kept.pop(secret, None)
            return None
        return found[1]

    def keep(self, secret: str, viewer: Viewer) -> None:
        """Remembers `viewer`; the oldest is forgotten where there are too many."""
        self._kept[secret] = (time.monotonic() + KEPT_S, viewer)
        if len(self._kept) > KEPT_AT_MOST:
            self._kept.popitem(last=False)

    def forget(self, secret: str) -> None:
        """Looks the credential up again next time."""
        self._kept.pop(secret, None)
