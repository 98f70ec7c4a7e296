"""Whose work is done now, so that nobody who asks for much keeps the others waiting.

A client (an account, or the address of somebody who is not logged in) has a few pieces of work done at once;
some more wait for their turn in the order of their coming; whatever comes beyond is told to come back. The
seconds of work are counted too: who has used up those of a minute is told when there are some again.

Counted by each server process for itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Scope as AsgiScope

from layers.access import Viewer
from layers.errors import TooMuch, Unavailable

AT_ONCE = 4
"""A map in a browser asks for six tiles at once; the pool for drawing has six connections."""
WAITING = 60
"""Of one client: a large screen, tilted, asks for some forty tiles."""
WAITING_ALTOGETHER = 600
COME_BACK_S = 2
REMEMBERED = 10_000
"""Clients whose seconds are kept in mind; of more, the ones unheard of longest begin anew."""


@dataclass(slots=True)
class _Client:
    seconds: float
    """Of work that may still be done."""
    counted_at: float
    working: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Turns:
    """Turns of clients. One per process.

    `seconds_a_minute` of work are for each client, and as many may be saved up; None: no limit.
    """

    def __init__(
        self,
        *,
        seconds_a_minute: float | None = None,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        waiting_altogether: int = WAITING_ALTOGETHER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds_a_minute
        self._at_once = at_once
        self._most_waiting = waiting
        self._most_altogether = waiting_altogether
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self.waiting = 0
        """Pieces of work that wait, of all clients."""

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Work for the client `name` inside; it begins when it is the client's turn.

        Raises `TooMuch` where the client's seconds are used up, `Unavailable` where too much waits already.
        """
        client = self._client(name)
        self._refuse_spent(client)
        if client.working < self._at_once:
            client.working += 1
        else:
            await self._wait(client)
        begun = self._clock()
        try:
            yield
        finally:
            client.seconds -= self._clock() - begun
            self._hand_over(client)

    def _client(self, name: str) -> _Client:
        now = self._clock()
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = _Client(self._seconds or 0.0, now)
            while len(self._clients) > REMEMBERED:
                self._clients.popitem(last=False)
        self._clients.move_to_end(name)
        if self._seconds is not None:
            gained = (now - client.counted_at) / 60.0 * self._seconds
            client.seconds = min(client.seconds + gained, self._seconds)
        client.counted_at = now
        return client

    def _refuse_spent(self, client: _Client) -> None:
        if self._seconds is None or client.seconds > 0:
            return
        wait_s = max(math.ceil((1.0 - client.seconds) * 60.0 / self._seconds), 1)
        raise TooMuch(
            f"本分钟的查询时间已用完，请 {wait_s} 秒后再试",
            f"the time for your requests is used up; come back in {wait_s} s",
            retry_after_s=wait_s,
            limit=f"{self._seconds:g} s of work a minute",
        )

    async def _wait(self, client: _Client) -> None:
        if len(client.waiting) >= self._most_waiting or self.waiting >= self._most_altogether:
            raise Unavailable(
                "等待处理的请求过多，请稍后再试",
                "too many requests are waiting; come back in a moment",
                retry_after_s=COME_BACK_S,
            )
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        client.waiting.append(mine)
        self.waiting += 1
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._hand_over(client)  # it was this one's turn: the next one's, then
            raise
        finally:
            self.waiting -= 1
            if mine in client.waiting:
                client.waiting.remove(mine)

    def _hand_over(self, client: _Client) -> None:
        """The place of one that has ended goes to the one that waits longest, if any does."""
        while client.waiting:
            following = client.waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        client.working -= 1


def client_name(scope: AsgiScope, viewer: Viewer) -> str:
    """Who a request counts for: the account, or the address of somebody who is not logged in."""
    if viewer.is_logged_in:
        return f"account {viewer.name}"
    return f"address {(scope.get('client') or ('unknown',))[0]}"
