"""Calls of services counted in memory and written together, never one write for each square."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from layers.db import Database
from layers.errors import OneMapError
from layers.service_calls import CallCount, CallKey, add_calls, day_in_china

WRITE_EVERY_S = 5.0
MOST_KEYS = 100_000
"""Layer, day and account together; beyond, nothing is counted until they are written."""
_log = logging.getLogger(__name__)


class CallBook:
    """What this process has not written yet. `run` writes it from time to time; `flush` at once."""

    def __init__(self, db: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._db = db
        self._now = now
        self._waiting: dict[CallKey, CallCount] = {}
        self._writing = asyncio.Lock()
        self.totals: dict[str, CallCount] = {}
        """By layer, since this process began."""

    def count(self, layer_id: str, caller: str, told: CallCount) -> None:
        """Adds to what is known of a layer and a caller today."""
        key = CallKey(layer_id, day_in_china(self._now()), caller)
        if key in self._waiting or len(self._waiting) < MOST_KEYS:
            self._waiting[key] = self._waiting.get(key, CallCount()).plus(told)
        self.totals[layer_id] = self.totals.get(layer_id, CallCount()).plus(told)

    async def flush(self) -> None:
        """Writes what waits. Raises as `layers.db` does; what could not be written waits on."""
        async with self._writing:
            taken, self._waiting = self._waiting, {}
            try:
                await add_calls(self._db, taken)
            except BaseException:
                for key, told in taken.items():
                    self._waiting[key] = self._waiting.get(key, CallCount()).plus(told)
                raise

    async def run(self) -> None:
        """Writes every few seconds until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                try:
                    await self.flush()
                except OneMapError as error:
                    _log.warning("calls of services could not be written: %s", error.en)
        finally:
            with contextlib.suppress(OneMapError):
                await self.flush()

    def lines(self) -> Iterable[str]:
        """The totals as lines of Prometheus text."""
        for name, help_text in (
            ("calls", "Calls of layers of services."),
            ("kept", "Calls answered from memory."),
            ("errors", "Calls that the other system did not answer."),
            ("bytes", "Bytes sent to callers."),
        ):
            yield f"# HELP onemap_service_{name}_total {help_text}"
            yield f"# TYPE onemap_service_{name}_total counter"
            for layer_id, told in sorted(self.totals.items()):
                yield f'onemap_service_{name}_total{{layer="{layer_id}"}} {getattr(told, name)}'
