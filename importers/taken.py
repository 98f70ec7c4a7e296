"""When a raster was taken: said, in its name, or in its tags; with the evidence."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from importers.options import ImportOptions
from importers.source import Found, Pixels
from layers.errors import BadRequest
from layers.rasters import TAKEN, first_day

_NOT_DATES = re.compile(r"cgcs[-_ ]?2000|国家[-_ ]?2000|2000[-_ ]?(?:国家|坐标)|大地2000", re.I)
_SEPARATED = r"(?:[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]))?)?"
_IN_NAME = (
    re.compile(r"((?:19|20)\d{2})年(?:(1[0-2]|0?[1-9])月(?:([12]\d|3[01]|0?[1-9])日)?)?"),
    re.compile(rf"(?<!\d)((?:19|20)\d{{2}}){_SEPARATED}(?!\d)"),
)


def when_taken(file: str, pixels: Pixels | None, options: ImportOptions, today: date) -> Found:
    """The date as `RasterFile.taken` has it. Raises `BadRequest` for a date that is said and is none.

    >>> when_taken("正射影像_2024年5月.tif", None, ImportOptions(), date(2026, 1, 1)).value
    '2024-05'
    """
    if options.date is not None:
        return Found(_checked(options.date), "由导入者指定", "said by the importer")
    in_name = date_in(Path(file).name)
    if in_name is not None and first_day(in_name) <= today:
        return Found(in_name, "取自文件名", "from the file's name")
    if pixels is not None and pixels.stamp is not None:
        return Found(pixels.stamp, "取自文件的日期标签", "from the date tag in the file")
    return Found(
        today.isoformat(),
        "没有日期，按导入日期；可用 --date 指定",
        "no date is known, so that of the import; say it by --date",
    )


def date_in(name: str) -> str | None:
    """The year, month or day that a file's name holds; None if it holds none.

    >>> date_in("dem_4548_20240501.tif"), date_in("CGCS2000_dem.tif")
    ('2024-05-01', None)
    """
    found = _found(name)
    return None if found is None else _written(found)


def without_date(stem: str) -> str:
    """`stem` without the date in it, so that pictures of several dates make one layer.

    >>> without_date("正射影像_2024"), without_date("2024年影像"), without_date("2024")
    ('正射影像', '影像', '2024')
    """
    found = _found(stem)
    if found is None:
        return stem
    rest = (stem[: found.start()] + stem[found.end() :]).strip(" _-.")
    return re.sub(r"([-_. ])[-_. ]+", r"\1", rest) or stem


def _found(name: str) -> re.Match[str] | None:
    blanked = _NOT_DATES.sub(lambda m: "x" * len(m[0]), name)
    for pattern in _IN_NAME:
        found = pattern.search(blanked)
        if found is not None and _is_date(_written(found)):
            return found
    return None


def _written(found: re.Match[str]) -> str:
    return "-".join(part.zfill(2) for part in found.groups() if part)


def _is_date(text: str) -> bool:
    try:
        return TAKEN.fullmatch(text) is not None and bool(first_day(text))
    except ValueError:
        return False


def _checked(text: str) -> str:
    if _is_date(text):
        return text
    raise BadRequest(
        f"日期“{text[:40]}”有误，应如 2024、2024-05 或 2024-05-01",
        f"{text[:40]!r} is no date; write 2024, 2024-05 or 2024-05-01",
        field="date",
        value=text,
        expected="2024, 2024-05 or 2024-05-01",
    )
