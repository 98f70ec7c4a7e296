"""When two column names are the same name: case, width, spaces, separators and a unit in brackets aside."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s_\-.·:：/\\]+")
_UNIT = re.compile(r"[（(\[【]\s*((?:[^（）()\[\]【】]|[（(][^（）()]*[)）]){1,16})\s*[)）\]】]\s*$")


def folded(name: str) -> str:
    """The name as it is compared.

    >>> folded("Ｓ_Point") == folded("s point"), folded("埋深(m)")
    (True, '埋深')
    """
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    text = _UNIT.sub("", text)
    return _SEPARATORS.sub("", text)


def unit_in(name: str) -> str | None:
    """The unit in brackets at the end of a column's name, as written.

    >>> unit_in("PM2.5（μg/m³）"), unit_in("名称")
    ('μg/m³', None)
    """
    found = _UNIT.search(name.strip())
    return found.group(1).strip() if found else None


def is_cut(name: str, whole: str) -> bool:
    """True if `name` is what dBASE leaves of `whole`: its first 10 bytes, in GBK or UTF-8.

    A character cut in two has been dropped by then.
    """
    for encoding in ("gb18030", "utf-8"):
        raw = whole.encode(encoding)
        if len(raw) > 10 and raw[:10].decode(encoding, errors="ignore") == name:
            return True
    return False
