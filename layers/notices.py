"""News between processes by LISTEN/NOTIFY: which layer got a version, which event changed.

A notice only says where to look; the reader compares versions. After a broken connection the
subscribers get a `Missed`, as PostgreSQL keeps nothing for those who were away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import NamedTuple

import psycopg
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.db import Database
from layers.errors import Unavailable

LAYER_CHANNEL = "onemap_layer"
"""Payload `<layer id>:<version>`: published, withdrawn, restored or described anew."""
EVENT_CHANNEL = "onemap_event"
"""Payload `<event id>:<revision>`."""
IMPORT_CHANNEL = "onemap_import"
"""Payload `<import run's id>:<revision>`."""
READING_CHANNEL = "onemap_reading"
"""Payload `station:<number of readings>`: stations have newer values."""
REGISTERED_CHANNEL = "onemap_registered"
"""Payload `<layer id>:0`, by a trigger on the user's table: rows of a registered layer changed."""
CHANNELS = (LAYER_CHANNEL, EVENT_CHANNEL, IMPORT_CHANNEL, READING_CHANNEL, REGISTERED_CHANNEL)

MAX_WAITING = 10_000
"""Notices kept for a subscriber that does not read; beyond, they become one `Missed`."""
MAX_PAUSE_S = 5.0
"""Longest wait between attempts to connect again."""

_log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """`subject` (a layer's or event's id) now stands at `number` (its version or revision)."""

    channel: str
    subject: str
    number: int


class Missed(NamedTuple):
    """Notices on `channel` may have been lost: compare everything."""

    channel: str


async def notify(connection: AsyncConnection, channel: str, subject: object, number: int) -> None:
    """Sends a notice when the transaction of `connection` commits."""
    await connection.execute(select(func.pg_notify(channel, f"{subject}:{number}")))


class Subscription:
    """An endless asynchronous iterator over some channels' news in their order, from when it was made."""

    def __init__(self, *channels: str) -> None:
        self.channels = channels
        self._waiting: asyncio.Queue[Notice | Missed] = asyncio.Queue()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Notice | Missed:
        return await self._waiting.get()

    def put(self, item: Notice | Missed) -> None:
        """Adds `item`; a reader too slow for `MAX_WAITING` items gets one `Missed` in their place."""
        if self._waiting.qsize() >= MAX_WAITING:
            self._waiting = asyncio.Queue()
            item = Missed(self.channels[0])
        self._waiting.put_nowait(item)


class Notices:
    """One listening connection for the process, handed out to any number of subscribers.

    Opening it raises `Unavailable` if the database cannot be reached; later breaks are mended.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._subscribers: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Notices:
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(listening), name="notices")
        await listening
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def subscribe(self, *channels: str) -> Subscription:
        """News of `channels` from now on, in the order of the commits; drop the subscription to end it.

        Notices that were missed are one `Missed`, on the first of them.
        """
        if not channels or set(channels) - set(CHANNELS):
            raise ValueError(f"no such channel: {channels!r}")
        subscription = Subscription(*channels)
        self._subscribers.add(subscription)
        return subscription

    async def _run(self, first: asyncio.Future[None]) -> None:
        pause_s = 0.1
        while True:
            try:
                async with self._db.listening() as connection:
                    for channel in CHANNELS:
                        await connection.execute(f"LISTEN {channel}".encode())
                    pause_s = 0.1
                    if first.done():
                        self._tell_missed()
                    else:
                        first.set_result(None)
                    async for news in connection.notifies():
                        self._pass_on(news)
            except (Unavailable, psycopg.Error) as error:
                if not first.done():
                    first.set_exception(error)
                    return
                _log.warning("the listening connection broke; connecting again in %.1f s", pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    def _pass_on(self, news: psycopg.Notify) -> None:
        subject, _, number = news.payload.rpartition(":")
        if not subject or not number.isdecimal():
            _log.warning("a notice on %s is not of ours: %r", news.channel, news.payload)
            return
        for subscriber in list(self._subscribers):
            if news.channel in subscriber.channels:
                subscriber.put(Notice(news.channel, subject, int(number)))

    def _tell_missed(self) -> None:
        for subscriber in list(self._subscribers):
            subscriber.put(Missed(subscriber.channels[0]))
