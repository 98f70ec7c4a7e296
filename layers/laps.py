"""How long the parts of an import take, for whoever asks: the benchmark prints them as a profile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter, thread_time

_current: ContextVar[dict[str, float] | None] = ContextVar("laps", default=None)


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Seconds by part of everything done inside, also in its tasks and threads."""
    laps: dict[str, float] = {}
    token = _current.set(laps)
    try:
        yield laps
    finally:
        _current.reset(token)


@contextmanager
def lap(part: str, *, cpu: bool = False) -> Iterator[None]:
    """Adds the seconds spent inside to `part`; `cpu`: those of this thread's processor time."""
    laps = _current.get()
    if laps is None:
        yield
        return
    clock = thread_time if cpu else perf_counter
    begun = clock()
    try:
        yield
    finally:
        laps[part] = laps.get(part, 0.0) + clock() - begun
