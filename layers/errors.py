"""What can go wrong when asking for, changing or storing layers, as a caller can act on it.

    OneMapError
    ├── NotFound            no such layer, version, feature, account …
    ├── NotAllowed          the viewer may not do this
    │   └── LoginNeeded     … but might after logging in
    ├── BadRequest          the caller's mistake: a wrong field, value or place
    ├── BadData             the data's fault: rows that cannot become a layer
    ├── Conflict            somebody else was first, or the state forbids it
    ├── TooMuch             over a limit that is written down
    └── Unavailable         the database cannot answer now; try again
        ├── RelationChanged  … because the table of a registered layer is gone or is not as it was
        ├── TimedOut        … because the statement took longer than allowed
        └── Unfit           … because the server lacks what One Map needs; an operator must act

Other rooms derive their own from these; `api/problems.py` maps the branches to HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OneMapError(Exception):
    """Something went wrong that a person can act on.

    `zh` and `en` are one sentence each; `facts` name the object, the value and what was expected
    (they become members of the problem document, so nothing secret belongs in them).
    """

    def __init__(self, zh: str, en: str, **facts: Any) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.facts = facts

    def sentence(self, language: str) -> str:
        """The message in `zh` or `en` (anything else: `en`)."""
        return self.zh if language == "zh" else self.en


class NotFound(OneMapError):
    """There is no such object, or the viewer may not know that there is."""


class NotAllowed(OneMapError):
    """The viewer's roles, department or districts do not permit this."""


class LoginNeeded(NotAllowed):
    """Nobody is logged in, and only somebody who is may do this."""


class BadRequest(OneMapError):
    """A parameter is wrong; `facts` hold `field`, `value` and `expected`."""

    def __init__(self, zh: str, en: str, *, field: str, value: object, expected: str, **facts: Any) -> None:
        super().__init__(zh, en, field=field, value=_short(value), expected=expected, **facts)


class BadData(OneMapError):
    """Rows or a file that cannot become a layer version."""


class Conflict(OneMapError):
    """The object changed meanwhile, exists already, or is in a state that forbids the change."""


class TooMuch(OneMapError):
    """More than a documented limit allows."""


class Unavailable(OneMapError):
    """The database cannot answer now; the same call may succeed later."""


class RelationChanged(Unavailable):
    """The table or view behind a registered layer is gone, closed to us, or not as it was registered.

    `layer_ids`: which layers; all others can be asked as ever.
    """

    def __init__(self, zh: str, en: str, *, layer_ids: Sequence[str]) -> None:
        super().__init__(zh, en, layers=list(layer_ids))
        self.layer_ids = tuple(layer_ids)


class TimedOut(Unavailable):
    """The statement took longer than its limit and was cancelled."""


class Unfit(Unavailable):
    """The PostgreSQL server lacks what One Map needs (PostGIS, a newer version, UTF-8)."""


def unknown_parameter(name: str, value: object, expected: str) -> BadRequest:
    """What is raised for a query parameter that nothing takes, which may be a misspelt one."""
    shown = name[:100]
    return BadRequest(
        f"未知的查询参数“{shown}”",
        f"unknown query parameter {shown!r}",
        field=shown,
        value=value,
        expected=expected,
    )


def _short(value: object) -> str:
    """`value` as text of at most 200 characters, so that a hostile one does not fill the answer."""
    text = str(value)
    return text if len(text) <= 200 else text[:197] + "…"
