"""What a person at the terminal sees: sentences in their language, steps, progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from importers.options import Stage, Step
from layers.errors import OneMapError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_language = "en"


def speak(language: str) -> None:
    """Sets the language of what follows: `zh` or `en`."""
    global _language  # one terminal, one language, set once at the start
    _language = language


def say(zh: str, en: str) -> str:
    """The sentence in the terminal's language."""
    return zh if _language == "zh" else en


def language() -> str:
    """`zh` or `en`."""
    return _language


def fail(error: OneMapError) -> NoReturn:
    """Prints the error's sentence and ends the program with exit code 1."""
    err.print(f"[bold red]✗[/] {error.sentence(_language)}", markup=True)
    sys.exit(1)


@contextmanager
def step(zh: str, en: str) -> Iterator[None]:
    """One step of a longer work: said when it begins, with its seconds when it ends."""
    started = perf_counter()
    out.print(f"→ {say(zh, en)} …", end="\n" if not out.is_terminal else " ", markup=False)
    yield
    out.print(f"✓ {perf_counter() - started:.1f} s", markup=False)


_STAGES: dict[Stage, tuple[str, str]] = {
    "passed_over": ("略过", "passed over"),
    "opening": ("打开", "opening"),
    "reading": ("读取", "reading"),
    "converting": ("转换", "converting"),
    "checking": ("质检", "checking"),
    "comparing": ("比较", "comparing"),
    "publishing": ("发布", "publishing"),
    "done": ("完成", "done"),
}


def stage_name(stage: Stage) -> str:
    """What an import is doing, in the terminal's language."""
    return say(*_STAGES[stage])


class Bars:
    """Progress of named stages as bars; on a pipe, a line at each tenth."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=out,
            disable=not out.is_terminal,
        )
        self._tasks: dict[str, int] = {}
        self._tenths: dict[str, int] = {}

    def __enter__(self) -> Bars:
        self._progress.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self._progress.__exit__(None, None, None)

    def importing(self, step: Step) -> None:
        """Hears where an import is."""
        self(f"{step.file} {stage_name(step.stage)}", step.done, step.total)

    def __call__(self, stage: str, done: int, total: int | None = None) -> None:
        """`done` of `total` things of `stage` (None: not known)."""
        if not out.is_terminal:
            self._print_tenth(stage, done, total)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

    def _print_tenth(self, stage: str, done: int, total: int | None) -> None:
        tenth = 10 * done // total if total else 0
        if self._tenths.get(stage, -1) < tenth:
            self._tenths[stage] = tenth
            out.print(f"  {stage}: {done:,}" + (f" / {total:,}" if total else ""), markup=False)
