"""Events as they change, for everybody of this process who listens: each change is read once.

What a listener may see is for the listener's side to judge (`grid.sight.may_see`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref

from sqlalchemy import true

from grid.event_model import Event
from grid.event_rows import read_event
from layers.db import Database
from layers.errors import NotFound, Unavailable
from layers.notices import EVENT_CHANNEL, Notice, Notices, Subscription

MAX_WAITING = 500
"""Changes kept for a listener that does not keep up; beyond them it is told that it lagged."""

_log = logging.getLogger(__name__)


class Lagged(Exception):
    """Changes were lost on the way to this listener: it should look at everything again."""


class Listening:
    """Changed events, one after another, from the moment it was made."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Event | None] = asyncio.Queue()

    async def next(self) -> Event:
        """The next changed event; raises `Lagged`."""
        event = await self._waiting.get()
        if event is None:
            raise Lagged
        return event

    def put(self, event: Event | None) -> None:
        """Adds a change; None, or one too many, tells the listener that it lagged."""
        if event is None or self._waiting.qsize() >= MAX_WAITING:
            # Emptied, not replaced: the listener may be waiting at this very queue.
            while not self._waiting.empty():
                self._waiting.get_nowait()
            event = None
        self._waiting.put_nowait(event)


class EventFeed:
    """Reads each changed event once for all listeners. One per process; open with `async with`."""

    def __init__(self, db: Database, notices: Notices) -> None:
        self._db = db
        self._notices = notices
        self._listeners: weakref.WeakSet[Listening] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_ended = False

    def __repr__(self) -> str:
        return f"EventFeed({len(self._listeners)} listeners)"

    async def __aenter__(self) -> EventFeed:
        self._loop = asyncio.get_running_loop()
        news = self._notices.subscribe(EVENT_CHANNEL)
        self._task = asyncio.create_task(self._run(news), name="event-feed")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def listen(self) -> Listening:
        """Changes from now on; drop it to stop."""
        listening = Listening()
        self._listeners.add(listening)
        if self._has_ended:
            listening.put(None)
        return listening

    def end(self) -> None:
        """Sends every listener away, those that come later too: the process is about to stop.

        May be called from a signal handler or another thread.
        """
        self._has_ended = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send_away)

    def _send_away(self) -> None:
        for listener in list(self._listeners):
            listener.put(None)

    async def _run(self, news: Subscription) -> None:
        async for item in news:
            if not self._listeners:
                continue
            try:
                event = await self._read(int(item.subject)) if isinstance(item, Notice) else None
            except (NotFound, ValueError):
                continue
            except Unavailable as error:
                _log.warning("a changed event could not be read: %s", error.en)
                event = None
            except Exception:
                # Nobody awaits this task: an error that ended it would silence the stream without a word.
                _log.exception("a changed event could not be read")
                event = None
            for listener in list(self._listeners):
                listener.put(event)

    async def _read(self, event_id: int) -> Event:
        async with self._db.connect() as connection:
            return await read_event(connection, event_id, true())
