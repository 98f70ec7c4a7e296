"""When something is to be done again and again: cron words or a plain sentence, by the city's clock.

Pure: the present is always given, never asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

from layers.errors import BadRequest
from layers.model import Text
from layers.readings import DAY_ZONE

CITY_ZONE = ZoneInfo(DAY_ZONE)
"""The zone in which the words are meant."""
LONGEST_YEARS = 9
"""29 February comes again after eight years at most (1896 to 1904, 2096 to 2104)."""

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS_ZH = ("周日", "周一", "周二", "周三", "周四", "周五", "周六")
_DAYS_EN = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_CRON = re.compile(r"[0-9*,/-]{1,99}( [0-9*,/-]{1,99}){3} [0-9a-zA-Z*,/-]{1,99}")
"""Five words of numbers, and of days of the week: what else cron programs read is not the same everywhere."""
_RANGE = re.compile(r"(\w+)-(\w+)")
_EVERY = re.compile(r"every\s+(\d{1,4})\s*(min|h)", re.IGNORECASE)
_AT = r"(\d{1,2}):(\d{2})"
_DAILY = re.compile(rf"daily\s+{_AT}", re.IGNORECASE)
_WEEKLY = re.compile(rf"weekly\s+({'|'.join(_DAYS)})\s+{_AT}", re.IGNORECASE)
_MONTHLY = re.compile(rf"monthly\s+(\d{{1,2}})\s+{_AT}", re.IGNORECASE)
_EXPECTED = (
    "five cron words such as '30 2 * * 1-5', or 'every 15 min', 'every 2 h', 'daily 02:30',"
    " 'weekly mon 02:30', 'monthly 1 02:30'"
)


@dataclass(frozen=True)
class Timetable:
    """Moments of the city's clock. `days` are of the month, `weekdays` count from Sunday, 0.

    Where both days and weekdays are chosen, a date that is either of them counts, as in cron. None: any.
    """

    cron: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None

    def following(self, after: datetime, count: int = 1) -> list[datetime]:
        """The next `count` moments later than `after` (with a zone), in UTC."""
        moments = croniter(self.cron, after.astimezone(CITY_ZONE), max_years_between_matches=LONGEST_YEARS)
        return [moments.get_next(datetime).astimezone(UTC) for _ in range(count)]

    def next(self, after: datetime) -> datetime:
        """The next moment later than `after`, in UTC."""
        return self.following(after)[0]

    @property
    def sentence(self) -> Text:
        """The timetable in words."""
        dates = self._dates()
        times = self._times()
        return Text(f"{dates.zh}{times.zh}", f"{times.en}{dates.en}")

    def _dates(self) -> Text:
        parts = []
        if self.days is not None:
            listed = ", ".join(map(str, self.days))
            each = "" if self.months else "每月 "
            parts.append(Text(f"{each}{'、'.join(map(str, self.days))} 日", f"on day {listed} of the month"))
        if self.weekdays == (1, 2, 3, 4, 5):
            parts.append(Text("工作日（周一至周五）", "Mondays to Fridays"))
        elif self.weekdays is not None:
            parts.append(
                Text(
                    "每" + "、".join(_DAYS_ZH[d] for d in self.weekdays),
                    ", ".join(_DAYS_EN[d] for d in self.weekdays),
                )
            )
        zh, en = " 或 ".join(part.zh for part in parts), " or ".join(part.en for part in parts)
        if self.months is not None:
            zh = f"每年 {'、'.join(map(str, self.months))} 月 {zh}".strip()
            en = f"{en} in month {', '.join(map(str, self.months))}".strip()
        if not zh:
            return Text("每天 " if self._is_of_times() else "", " every day" if self._is_of_times() else "")
        return Text(f"{zh} ", f", {en}")

    def _times(self) -> Text:
        if self._is_of_times():
            listed = [f"{h:02}:{m:02}" for h in self.hours for m in self.minutes]
            return Text("、".join(listed), f"at {', '.join(listed)}")
        marks = ", ".join(f":{m:02}" for m in self.minutes)
        at = Text("", "") if self.minutes == (0,) else Text(f"（{marks}）", f" at {marks}")
        by_hours = _step(self.hours, 24)
        if by_hours is not None and by_hours > 1 and self.hours[0] == 0 and len(self.minutes) == 1:
            return Text(f"每 {by_hours} 小时{at.zh}", f"every {by_hours} hours{at.en}")
        hours = _of_hours(self.hours)
        step = _step(self.minutes, 60)
        if step == 1:
            return Text(f"{hours.zh}每分钟", f"every minute{hours.en}")
        if step is not None and step < 60 and self.minutes[0] == 0:
            return Text(f"{hours.zh}每 {step} 分钟", f"every {step} minutes{hours.en}")
        return Text(f"{hours.zh}每小时{at.zh}", f"every hour{at.en}{hours.en}")

    def _is_of_times(self) -> bool:
        """Whether there are so few times a day that each can be named."""
        regular = len(self.hours) > 2 and _step(self.hours, 24) is not None
        return len(self.hours) * len(self.minutes) <= 4 and not regular


def timetable(words: str) -> Timetable:
    """The timetable that `words` say. Raises `BadRequest` naming the part that is wrong.

    >>> timetable("every 15 min").sentence.en, timetable("30 2 * * 1-5").sentence.zh
    ('every 15 minutes', '工作日（周一至周五） 02:30')
    """
    said = " ".join(words.split())
    cron = _plain(said) or said
    if not _CRON.fullmatch(cron):
        raise _wrong(words)
    for first, last in _RANGE.findall(cron):
        if first.lower().lstrip("0") == last.lower().lstrip("0"):  # croniter takes it for every moment
            raise _wrong(words, f"“{first}-{last}”应写作 {first}", f"{first}-{last} is written {first}")
    try:
        expanded, _ = croniter.expand(cron)
        minutes, hours, days, months, weekdays = (_chosen(of) for of in expanded)
        croniter(cron, _ANY_DAY, max_years_between_matches=LONGEST_YEARS).get_next()
    except CroniterBadDateError as error:
        raise _wrong(words, "该日期永远不会到来", "that date never comes") from error
    except (CroniterError, ValueError) as error:
        raise _wrong(words) from error
    every_minute, every_hour = tuple(range(60)), tuple(range(24))
    return Timetable(cron, minutes or every_minute, hours or every_hour, days, months, weekdays)


def _plain(said: str) -> str | None:
    """The cron words of a plain sentence; None if it is none. Raises `BadRequest`."""
    if found := _EVERY.fullmatch(said):
        number, unit = int(found[1]), found[2].lower()
        whole = 60 if unit == "min" else 24
        if not number or whole % number:
            if unit == "min" and number and number % 60 == 0 and 24 % (number // 60) == 0:
                return f"0 */{number // 60} * * *"
            raise _wrong(said, f"{whole} 应能被它整除", f"it should divide {whole}")
        if unit == "min":
            return "0 * * * *" if number == 60 else f"*/{number} * * * *"
        return "0 0 * * *" if number == 24 else f"0 */{number} * * *"
    if found := _DAILY.fullmatch(said):
        return f"{found[2]} {found[1]} * * *"
    if found := _WEEKLY.fullmatch(said):
        return f"{found[3]} {found[2]} * * {found[1].lower()}"
    if found := _MONTHLY.fullmatch(said):
        return f"{found[3]} {found[2]} {found[1]} * *"
    return None


def _chosen(numbers: Sequence[int | str]) -> tuple[int, ...] | None:
    """The numbers that one cron word names; None for any."""
    return None if list(numbers) == ["*"] else tuple(sorted(map(int, numbers)))


def _step(numbers: Sequence[int], whole: int) -> int | None:
    """By how much the numbers go on, round the clock; None if they do not go on evenly."""
    step = whole // len(numbers)
    even = whole % len(numbers) == 0 and list(numbers) == list(range(numbers[0], numbers[0] + whole, step))
    return step if even else None


def _of_hours(hours: Sequence[int]) -> Text:
    if len(hours) == 24:
        return Text("", "")
    if list(hours) == list(range(hours[0], hours[-1] + 1)):
        return Text(f"{hours[0]} 时至 {hours[-1]} 时", f", hours {hours[0]} to {hours[-1]}")
    listed = ", ".join(map(str, hours))
    return Text(f"{listed} 时", f", hours {listed}")


def _wrong(words: str, because_zh: str = "", because_en: str = "") -> BadRequest:
    return BadRequest(
        f"看不懂时间表“{words[:80]}”" + (f"：{because_zh}" if because_zh else ""),
        f"cannot read the timetable {words[:80]!r}" + (f": {because_en}" if because_en else ""),
        field="timetable",
        value=words,
        expected=_EXPECTED,
    )
