"""Timetables: which moments they mean, and how they say so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from layers.errors import BadRequest
from layers.timetable import CITY_ZONE, timetable


def city(*moment: int) -> datetime:
    """A moment of the city's clock."""
    return datetime(*moment, tzinfo=CITY_ZONE)  # type: ignore[arg-type, misc]


SATURDAY = (2026, 11, 21, 20, 7)

MEANT = [
    ("every 15 min", (2026, 11, 21, 20, 15), "每 15 分钟", "every 15 minutes"),
    ("every 120 min", (2026, 11, 21, 22, 0), "每 2 小时", "every 2 hours"),
    ("every 1 h", (2026, 11, 21, 21, 0), "每小时", "every hour"),
    ("daily 02:30", (2026, 11, 22, 2, 30), "每天 02:30", "at 02:30 every day"),
    ("weekly Mon 2:30", (2026, 11, 23, 2, 30), "每周一 02:30", "at 02:30, Mondays"),
    ("monthly 1 02:30", (2026, 12, 1, 2, 30), "每月 1 日 02:30", "at 02:30, on day 1 of the month"),
    ("30 2 * * 1-5", (2026, 11, 23, 2, 30), "工作日（周一至周五） 02:30", "at 02:30, Mondays to Fridays"),
    ("*/20 8-18 * * *", (2026, 11, 22, 8, 0), "8 时至 18 时每 20 分钟", "every 20 minutes, hours 8 to 18"),
    ("5,35 * * * *", (2026, 11, 21, 20, 35), "每小时（:05, :35）", "every hour at :05, :35"),
    ("0 0 29 2 *", (2028, 2, 29, 0, 0), "每年 2 月 29 日 00:00",
     "at 00:00, on day 29 of the month in month 2"),
    ("0 6 15 * sun", (2026, 11, 22, 6, 0), "每月 15 日 或 每周日 06:00",
     "at 06:00, on day 15 of the month or Sundays"),
    ("0 22-1 * * *", (2026, 11, 21, 22, 0), "每天 00:00、01:00、22:00、23:00",
     "at 00:00, 01:00, 22:00, 23:00 every day"),
    ("0 6 * * 7", (2026, 11, 22, 6, 0), "每周日 06:00", "at 06:00, Sundays"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "next_", "zh", "en"), MEANT, ids=[m[0] for m in MEANT])
def test_a_timetable_means_a_moment_and_says_so(words: str, next_: tuple[int, ...], zh: str, en: str) -> None:
    table = timetable(words)
    assert table.next(city(*SATURDAY)) == city(*next_)
    assert table.sentence == (zh, en)


def test_the_moment_that_is_now_is_not_the_next() -> None:
    at = city(2026, 11, 22, 2, 30)
    assert timetable("daily 02:30").following(at, 2) == [city(2026, 11, 23, 2, 30), city(2026, 11, 24, 2, 30)]
    assert timetable("daily 02:30").next(at).tzinfo is UTC


BAD = [
    "",
    "soon",
    "61 * * * *",
    "* * * * * *",
    "10-10 * * * *",
    "0 0 * * mon-Mon",
    "@daily",
    "0 0 L * *",
    "*/0 * * * *",
    "-1 * * * *",
    "0 0 0 * *",
    "0 0 31 2 *",
    "every 7 min",
    "every 0 h",
    "daily 24:00",
    "weekly day 02:30",
    "٣ * * * *",
    "9" * 5000 + " * * * *",
]


@pytest.mark.parametrize("words", BAD, ids=[b[:20] for b in BAD])
def test_what_is_no_timetable_is_refused(words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        timetable(words)
    assert refused.value.facts["field"] == "timetable"
