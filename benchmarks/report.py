"""How a benchmark says what it found: a ratio against a named peer or floor, from the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Ratio:
    """One comparison. `ours` and `other` are medians in `unit`; `runs` says of how many.

    `more_is_better` tells a throughput from a duration, so that `ratio` above 1 always means that
    One Map was faster than `against`.
    """

    what: str
    against: str
    ours: float
    other: float
    unit: str
    more_is_better: bool
    runs: int
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.other if self.more_is_better else self.other / self.ours


def medians(runs: int, *contenders: Callable[[], object]) -> list[float]:
    """Median seconds of each contender over `runs` rounds, taken in turn so that noise falls on all."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(runs):
        for place, contender in enumerate(contenders):
            started = perf_counter()
            contender()
            seconds[place].append(perf_counter() - started)
    return [median(each) for each in seconds]


def show(title: str, ratios: Sequence[Ratio], console: Console | None = None) -> None:
    """Prints a table; above 1 is faster than the peer."""
    table = Table("what", "One Map", "against", "there", "unit", "ratio", "runs", "note", title=title)
    for one in ratios:
        table.add_row(
            one.what, _figure(one.ours), one.against, _figure(one.other), one.unit, f"{one.ratio:.2f}",
            str(one.runs), one.note,
        )  # fmt: skip
    (console or Console(width=160)).print(table)


def show_parts(title: str, seconds: Mapping[str, float], console: Console | None = None) -> None:
    """Prints where the seconds of one run went; parts that ran beside others overlap."""
    table = Table("part", "s", title=title)
    for part, each in seconds.items():
        table.add_row(part, f"{each:.2f}")
    (console or Console(width=160)).print(table)


def show_times(
    title: str, measured: Sequence[tuple[str, float, float, int]], console: Console | None = None
) -> None:
    """Prints medians and worst of so many, in milliseconds."""
    table = Table("what", "median ms", "worst ms", "runs", title=title)
    for what, middle, worst, runs in measured:
        table.add_row(what, _figure(middle), _figure(worst), str(runs))
    (console or Console(width=160)).print(table)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
