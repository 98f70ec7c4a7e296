"""Text put right: tidied, a code for its title, an old grid code made new."""

from __future__ import annotations

import re
import unicodedata

from layers.model import Field

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\ufeff]")
_BREAKS = re.compile(r"\s*[\t\n\r]+\s*")
_OLD_GRID = re.compile(r"[1-9]\d{13}")


def tidy(text: str, *, is_code: bool) -> str:
    """Without blanks at the ends and control characters; a line break becomes a blank; codes half-width.

    >>> tidy("\\u3000人民路\\n１号 ", is_code=False), tidy(" ＪＳ－１ ", is_code=True)
    ('人民路 １号', 'JS-1')
    """
    text = _CONTROL.sub("", _BREAKS.sub(" ", text))
    if is_code:
        text = unicodedata.normalize("NFKC", text)
    return text.strip("\u3000\u00a0 \t\n\r")


def code_for(field: Field, text: str) -> str:
    """The code of which `text` is the title in either language, or another spelling; else `text`.

    Two codes of one title give none.
    """
    codes = field.codes or {}
    if text in codes:
        return text
    wanted = _plain(text)
    fitting = [
        code
        for code, title in codes.items()
        if wanted and wanted in (_plain(code), _plain(title.zh), _plain(title.en))
    ]
    return fitting[0] if len(fitting) == 1 else text


def _plain(text: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).lower()


def padded_grid(text: str) -> str:
    """A grid code of CJ/T 213-2005, whose sequence had two digits, as GB/T 30428.1 writes it.

    >>> padded_grid("34150200100101"), padded_grid("341502001001001")
    ('341502001001001', '341502001001001')
    """
    return f"{text[:12]}0{text[12:]}" if _OLD_GRID.fullmatch(text) else text
