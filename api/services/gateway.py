"""Asking services for our callers: each question once, kept a while, and not for ever at one that is down."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import time
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson

from api.errors import OriginFailed
from api.services.calls import CallBook
from api.services.features import ACCEPT, MOST_PAGES, first_url, read_page
from api.services.hosts import HostRules
from api.services.look import refused_by_origin
from api.services.origin import MAX_BYTES, OriginAnswer, OriginClient
from api.services.squares import SIZE_PX, Part, plan
from gis.squares import Tile, bounds_3857, bounds_4490
from layers.db import Database
from layers.errors import BadData, BadRequest, OneMapError, Unavailable
from layers.model import BoundingBox, Layer, ServiceSource, Text
from layers.services import Secret, note_state, secrets_of, service_of
from tiles.mosaic import Piece, picture_type, put_together
from tiles.passing_features import encode_features
from tiles.raster_draw import nothing

AT_ONCE = 8
"""Questions to one service at a time: a browser's own bound for one host is six."""
MOST_WAITING = 200
KEPT_BYTES = 64 * 2**20
KEPT_S = 300
"""Where the other system says nothing of how long its answer holds."""
KEPT_AT_MOST_S = 3600
MOST_DRAWN = 2000
"""Features of a service in one vector tile."""
FAILURES_TO_REST = 3
NOTED_S = 10.0
"""How often it is written that a service answers, at most."""
REST_S = 10.0
"""A service that failed so often in a row is left alone so long: who asks meanwhile is told at once."""
_VECTOR_TYPES = frozenset(
    {"application/vnd.mapbox-vector-tile", "application/x-protobuf", "application/protobuf"}
    | {"application/octet-stream", "application/x-gzip", "application/gzip", ""}
)
_MAX_AGE = re.compile(r"\b(?:s-maxage|max-age)\s*=\s*\"?(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer for our callers.

    `lasts_s`: how long it holds; `was_kept`: nobody was asked for it. `left_out`: features that are not in
    it; None: nobody says how many.
    """

    body: bytes
    media_type: str
    etag: str
    lasts_s: int
    was_kept: bool = False
    left_out: int | None = 0


@dataclass(slots=True)
class _Service:
    """What this process knows of a service at one version."""

    secrets: tuple[Secret, ...]
    slots: asyncio.Semaphore
    waiting: int = 0
    failures: int = 0
    rests_until: float = 0.0
    noted_up_at: float | None = None


class _Found(NamedTuple):
    """`left_out` None: some are, and nobody says how many."""

    features: list[dict[str, Any]]
    matched: int | None
    left_out: int | None
    lasts_s: int


class _Stored(NamedTuple):
    answer: Kept
    until: float


class Gateway:
    """The way to all services. One per process, inside `opened`."""

    def __init__(
        self, database: Database, rules: HostRules, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = database
        self._clock = clock
        self.client = OriginClient(rules)
        self.calls = CallBook(database)
        self._services: dict[tuple[str, int], _Service] = {}
        self._kept: OrderedDict[Hashable, _Stored] = OrderedDict()
        self._kept_bytes = 0
        self._flights: dict[Hashable, asyncio.Task[Kept]] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Gateway]:
        """Counts are written while inside; at the end what was begun is broken off."""
        writing = asyncio.create_task(self.calls.run(), name="service calls")
        try:
            yield self
        finally:
            for flight in list(self._flights.values()):
                flight.cancel()
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await self.client.close()

    async def square(self, layer: Layer, tile: Tile) -> Kept:
        """A picture or a vector tile (empty: nothing there) of one square of the Web Mercator quad.

        Features of a service are drawn here, `MOST_DRAWN` of them. Raises `OriginFailed`, `OriginTimedOut`,
        `Unavailable` where too many wait, `Conflict` for a layer that is no service.
        """
        source = service_of(layer)
        if source.form == "features":
            return await self.once(layer, ("square", *tile), lambda: self._encoded(layer, tile))
        return await self.once(layer, ("square", *tile), lambda: self._drawn(layer, source, tile))

    async def legend(self, layer: Layer) -> Kept:
        """The picture that explains the colours; raises as `square`."""
        source = service_of(layer)

        async def asked() -> Kept:
            answer = await self.ask(layer, source.legend, accept="image/*")
            return _picture(answer)

        return await self.once(layer, ("legend",), asked)

    async def items(self, layer: Layer, bounds: BoundingBox, limit: int) -> Kept:
        """Features that meet a box, as a GeoJSON collection that says how many were left out; as `square`.

        Raises `BadRequest` for a service of pictures or tiles.
        """
        if service_of(layer).form != "features":
            raise BadRequest(
                f"图层“{layer.title.zh}”的服务不提供要素",
                f"the service of layer {layer.id!r} gives no features",
                field="layer",
                value=layer.id,
                expected=f"/services/{layer.id}/{{z}}/{{x}}/{{y}}",
            )

        async def asked() -> Kept:
            found = await self._features(layer, bounds, limit)
            told = {
                "type": "FeatureCollection",
                "numberReturned": len(found.features),
                **({} if found.matched is None else {"numberMatched": found.matched}),
                "left_out": found.left_out,
                "features": found.features,
            }
            answer = _answer(orjson.dumps(told), "application/geo+json", found.lasts_s)
            return replace(answer, left_out=found.left_out)

        return await self.once(layer, ("items", *bounds, limit), asked)

    async def picture(self, layer: Layer, url: str) -> Kept:
        """The picture at an address of the layer's own service; raises as `square`."""

        async def asked() -> Kept:
            try:
                return _picture(await self.ask(layer, url, accept="image/*"))
            except _Unusable as error:
                await self.note_unusable(layer, error)
                raise

        return await self.once(layer, ("picture", url), asked)

    async def _encoded(self, layer: Layer, tile: Tile) -> Kept:
        """The features of a square as a vector tile."""
        west, south, east, north = bounds_4490(tile)
        reach = (east - west) / 64
        wide = BoundingBox(max(west - reach, -180.0), max(south - reach, -90.0),
                           min(east + reach, 180.0), min(north + reach, 90.0))  # fmt: skip
        found = await self._features(layer, wide, MOST_DRAWN)
        body = await asyncio.to_thread(encode_features, found.features, tile, layer.id)
        answer = _answer(body, "application/vnd.mapbox-vector-tile", found.lasts_s)
        return replace(answer, left_out=found.left_out)

    async def _features(self, layer: Layer, bounds: BoundingBox, limit: int) -> _Found:
        """At most `limit` features, from as many pages as it takes, but not more than `MOST_PAGES`."""
        source = service_of(layer)
        features: list[dict[str, Any]] = []
        url: str | None = first_url(source, bounds, limit)
        taken, pages, lasts_s = 0, 0, KEPT_S
        matched: int | None = None
        while url is not None and taken < limit and pages < MOST_PAGES:
            answer = await self.ask(layer, url, accept=ACCEPT)
            try:
                if answer.status != 200:
                    raise refused_by_origin(answer.status)
                page = read_page(source, answer.body, url, bounds, limit, taken)
            except OriginFailed as error:
                await self.note_unusable(layer, error)
                raise
            features += page.features
            taken += len(page.features) + page.dropped
            pages, url = pages + 1, page.following
            matched = page.matched if page.matched is not None else matched
            lasts_s = min(lasts_s, _lasts(answer))
        beyond = max(len(features) - limit, 0)
        if matched is not None:
            left_out: int | None = max(matched - min(len(features), limit), 0)
        else:
            left_out = None if url is not None else taken - len(features) + beyond
        return _Found(features[:limit], matched, left_out, lasts_s)

    async def once(self, layer: Layer, what: Hashable, make: Callable[[], Awaitable[Kept]]) -> Kept:
        """What is kept of `what`, or what `make` makes of it, however many ask meanwhile."""
        key = (layer.id, layer.version, what)
        stored = self._kept.get(key)
        if stored is not None and stored.until > self._clock():
            self._kept.move_to_end(key)
            return _as_kept(stored.answer)
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(self._fly(key, make))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    async def ask(
        self, layer: Layer, url: str, *, accept: str = "*/*", most_bytes: int = MAX_BYTES
    ) -> OriginAnswer:
        """One question to a service, in its turn; how it went is noted. An error of a server is raised."""
        service = await self._service(layer)
        if service.rests_until > self._clock():
            raise OriginFailed(
                "对方服务暂时不可用", "the service of the other system is not available now", layer=layer.id
            )
        async with _turn(service):
            try:
                answer = await self.client.ask(url, service.secrets, accept=accept, most_bytes=most_bytes)
                if answer.status >= 500 or answer.status in (401, 403, 407, 429):
                    raise refused_by_origin(answer.status)
            except OriginFailed as error:
                error.facts["layer"] = layer.id
                await self._note(layer, service, Text(error.zh, error.en))
                raise
        await self._note(layer, service, None)
        return answer

    async def note_unusable(self, layer: Layer, error: OriginFailed) -> None:
        """What came was no picture, nor features: that counts as a failure too."""
        error.facts["layer"] = layer.id
        await self._note(layer, await self._service(layer), Text(error.zh, error.en))

    def forget(self, layer_id: str) -> None:
        """What was kept of a layer is asked for again, and a service that rests is asked at once."""
        for key in [key for key in self._services if key[0] == layer_id]:
            del self._services[key]
        for kept in [key for key in self._kept if isinstance(key, tuple) and key[0] == layer_id]:
            self._kept_bytes -= len(self._kept.pop(kept).answer.body)

    async def _drawn(self, layer: Layer, source: ServiceSource, tile: Tile) -> Kept:
        made = plan(source, tile)
        accept = "application/vnd.mapbox-vector-tile, */*;q=0.5" if source.form == "tiles" else "image/*"
        try:
            answers = await _all([self._part(layer, part, accept) for part in made.parts])
            lasts_s = min((_lasts(answer) for answer in answers), default=KEPT_S)
            if source.form == "tiles":
                return _vector_tile(answers[0], lasts_s)
            pieces = [
                Piece(_picture(answer).body, part.bounds)
                for part, answer in zip(made.parts, answers, strict=True)
                if answer.status == 200
            ]
            if not pieces:
                return _answer(await asyncio.to_thread(nothing, SIZE_PX, "png"), "image/png", lasts_s)
            if made.is_whole:
                return _picture(answers[0])
            body = await asyncio.to_thread(
                put_together, pieces, bounds_3857(tile), SIZE_PX, is_geographic=made.is_geographic
            )
            return _answer(body, "image/png", lasts_s)
        except BadData as error:
            failed = OriginFailed("对方服务的图片无法解码", "the picture of the other system is broken")
            await self.note_unusable(layer, failed)
            raise failed from error
        except _Unusable as error:
            await self.note_unusable(layer, error)
            raise

    async def _part(self, layer: Layer, part: Part, accept: str) -> OriginAnswer:
        answer = await self.ask(layer, part.url, accept=accept)
        if answer.status not in (200, 204, 404):
            failed = refused_by_origin(answer.status)
            await self.note_unusable(layer, failed)
            raise failed
        return answer

    async def _service(self, layer: Layer) -> _Service:
        key = (layer.id, layer.version)
        known = self._services.get(key)
        if known is None:
            secrets = await secrets_of(self._db, layer.id)
            known = self._services.setdefault(key, _Service(secrets, asyncio.Semaphore(AT_ONCE)))
            for older in [k for k in self._services if k[0] == layer.id and k[1] < layer.version]:
                del self._services[older]
        return known

    async def _note(self, layer: Layer, service: _Service, problem: Text | None) -> None:
        """Keeps count of failures; the database hears of them when a service is left alone, and of a service
        that answers once in `NOTED_S`: another process may have found it otherwise meanwhile."""
        if problem is None:
            service.failures, service.rests_until = 0, 0.0
        else:
            service.failures += 1
            if service.failures < FAILURES_TO_REST:
                return
            service.rests_until = self._clock() + REST_S
        now = self._clock()
        if problem is None and service.noted_up_at is not None and now - service.noted_up_at < NOTED_S:
            return
        service.noted_up_at = now if problem is None else None
        with contextlib.suppress(OneMapError):
            await note_state(self._db, layer.id, problem)

    async def _fly(self, key: Hashable, make: Callable[[], Awaitable[Kept]]) -> Kept:
        answer = await make()
        if answer.lasts_s > 0 and len(answer.body) <= KEPT_BYTES // 8:
            self._keep(key, answer)
        return answer

    def _keep(self, key: Hashable, answer: Kept) -> None:
        before = self._kept.pop(key, None)
        self._kept_bytes += len(answer.body) - (0 if before is None else len(before.answer.body))
        self._kept[key] = _Stored(answer, self._clock() + answer.lasts_s)
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.answer.body)

    def _land(self, key: Hashable, done: asyncio.Task[Kept]) -> None:
        self._flights.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever waited has it; with nobody left it is no news


class _Unusable(OriginFailed):
    """What came is not what was asked for: an error page, a report in XML, a picture that is none."""


@asynccontextmanager
async def _turn(service: _Service) -> AsyncIterator[None]:
    if service.waiting >= MOST_WAITING:
        raise Unavailable(
            "等待该服务的请求过多，请稍后再试",
            "too many requests wait for this service; come back in a moment",
            retry_after_s=2,
        )
    service.waiting += 1
    try:
        await service.slots.acquire()
    finally:
        service.waiting -= 1
    try:
        yield
    finally:
        service.slots.release()


async def _all(asked: Sequence[Awaitable[OriginAnswer]]) -> list[OriginAnswer]:
    """The answers in their order; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_awaited(one)) for one in asked]
    except ExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


async def _awaited(one: Awaitable[OriginAnswer]) -> OriginAnswer:
    return await one


def _picture(answer: OriginAnswer) -> Kept:
    """The picture of an answer; raises `_Unusable` for anything else, whatever it is called."""
    kind = picture_type(answer.body)
    is_named = answer.media_type.startswith("image/") or answer.media_type in ("", "application/octet-stream")
    if answer.status != 200 or kind is None or not is_named:
        raise _Unusable(
            "对方服务没有给出图片，而是给出了错误说明或其他内容",
            "the other system gave no picture, but an error report or something else",
            media_type=answer.media_type[:60],
        )
    return _answer(answer.body, kind, _lasts(answer))


def _vector_tile(answer: OriginAnswer, lasts_s: int) -> Kept:
    """The vector tile of an answer, unpacked; empty where the other system has none."""
    body = b"" if answer.status in (204, 404) else answer.body
    if body[:2] == b"\x1f\x8b":
        unpack = zlib.decompressobj(wbits=31)
        try:
            body = unpack.decompress(body, MAX_BYTES)
        except zlib.error:
            body = b"?"
        if unpack.unconsumed_tail:
            body = b"?"
    # Field 3 of the message is a layer (Vector Tile 2.1, §4.1): a tile begins with nothing else.
    if (body and body[:1] != b"\x1a") or answer.media_type not in _VECTOR_TYPES:
        if answer.status == 200:
            raise _Unusable(
                "对方服务没有给出矢量瓦片",
                "the other system gave no vector tile",
                media_type=answer.media_type[:60],
            )
        body = b""
    return _answer(body, "application/vnd.mapbox-vector-tile", lasts_s)


def _answer(body: bytes, media_type: str, lasts_s: int) -> Kept:
    return Kept(body, media_type, hashlib.blake2b(body, digest_size=12).hexdigest(), lasts_s)


def _as_kept(answer: Kept) -> Kept:
    return Kept(answer.body, answer.media_type, answer.etag, answer.lasts_s, True, answer.left_out)


def _lasts(answer: OriginAnswer) -> int:
    """Seconds for which an answer holds, as the other system says, within bounds (RFC 9111 §5.2.2)."""
    told = answer.headers.get("cache-control", "").lower()
    if any(word in told for word in ("no-store", "no-cache", "private")):
        return 0
    found = _MAX_AGE.search(told)
    return KEPT_S if found is None else min(int(found[1]), KEPT_AT_MOST_S)
