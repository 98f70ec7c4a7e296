"""Case numbers (案卷号): district 6 + day 8 (in China) + sequence 5, such as 3415022026030100001.

The 19 digits are this project's own form; the national structure is not published.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has one time without summer time; a day of case numbers is a day there."""
NO_DISTRICT = "000000"
"""Stands where nothing tells the district: no grid is published."""


def case_number(district: str | None, day: date, sequence: int) -> str:
    """The number as text; a sequence above 99999 gets a sixth digit.

    >>> case_number("341502", date(2026, 3, 1), 1)
    '3415022026030100001'
    """
    return f"{_prefix(district, day)}{sequence:05d}"


def day_in_china(moment: datetime) -> date:
    """The day in China at a moment with a zone."""
    return moment.astimezone(CHINA).date()


async def next_case_number(connection: AsyncConnection, district: str | None, day: date) -> str:
    """The next free number of a district's day.

    Reports of one district and day pass here one after another (a lock until the transaction ends), so no
    number is given twice and none is lost to a report that was rolled back.
    """
    prefix = _prefix(district, day)
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(prefix, 0))))
    number = schema.event.c.case_number
    # Digits sort alike in every collation, so the range finds the prefix by the unique index.
    last = await connection.scalar(
        select(func.max(number)).where(number >= prefix + "00000", number <= prefix + "99999")
    )
    return case_number(district, day, int(last[len(prefix) :]) + 1 if last else 1)


def _prefix(district: str | None, day: date) -> str:
    return f"{district or NO_DISTRICT}{day:%Y%m%d}"
