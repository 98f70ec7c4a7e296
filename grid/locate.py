"""Where a point is in words: its unit grid, community, street and district, at one version of the map.

The `Locator` keeps a `Gridded` (an index with its names, read in one database snapshot) and replaces it whole
when the grids or the places above them get a new version. A caller takes `locator.now` once and asks it
alone, so one answer never mixes two versions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gis import codes
from gis.errors import InvalidCode
from grid.index import NOWHERE, GridIndex
from layers.access import SYSTEM, Scope, Viewer, scope_for
from layers.catalogue import read_layer
from layers.db import Database
from layers.errors import NotFound, OneMapError
from layers.model import Layer
from layers.notices import LAYER_CHANNEL, Missed, Notice, Notices, Subscription
from layers.rows import rows

GRID_LAYER = "unit_grid"
PLACE_LAYERS = ("district", "street", "community")
FOLLOWED = frozenset({GRID_LAYER, *PLACE_LAYERS})
_KEPT_VIEWS = 16
"""Indexes kept for viewers limited to districts; a city has fewer districts than this."""
_RETRY_S = 1.0

_log = logging.getLogger(__name__)


class Named(NamedTuple):
    """A code and what people call it; the code again where no name is known."""

    code: str
    name: str


class Near(NamedTuple):
    """The grid nearest to a point that is in none, and how far it is."""

    grid: Named
    distance_m: float


@dataclass(frozen=True)
class Located:
    """Where a point is. `grid` None: in no grid; then `nearest` names the nearest, if there is any grid.

    Community, street and district are those of the grid (None where its code does not say). `version` is that
    of the unit grids.
    """

    lon: float
    lat: float
    version: int
    grid: Named | None
    community: Named | None
    street: Named | None
    district: Named | None
    nearest: Near | None


@dataclass(frozen=True)
class Cells:
    """The unit grids as read: codes, names, the community each belongs to, polygons; all alike long."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    communities: tuple[str, ...]
    polygons: NDArray[np.object_]


class Gridded:
    """The unit grids and the places above them at one moment; never changes."""

    def __init__(
        self, cells: Cells, place_names: Mapping[str, str], versions: Mapping[str, int], layer: Layer | None
    ) -> None:
        self.layer = layer
        self.versions = dict(versions)
        self.index = GridIndex(cells.codes, cells.polygons)
        self._cells = cells
        self._place_names = place_names
        self._positions = {code: position for position, code in enumerate(cells.codes)}
        self._views: OrderedDict[tuple[str, ...], Gridded] = OrderedDict()
        self._making = Lock()

    def __repr__(self) -> str:
        return f"Gridded({len(self.index)} grids, version {self.version})"

    @property
    def version(self) -> int:
        """The version of the unit grids; 0 if none were published."""
        return self.versions.get(GRID_LAYER, 0)

    def locate(self, lon: float, lat: float) -> Located:
        """Where one point (EPSG:4490) is."""
        position = self.index.locate_one(lon, lat)
        if position != NOWHERE:
            code = self.index.codes[position]
            return Located(lon, lat, self.version, self.grid(code), *self.above(code), None)
        positions, distances = self.index.nearest(lon, lat)
        if int(positions) == NOWHERE:
            return Located(lon, lat, self.version, None, None, None, None, None)
        code = self.index.codes[int(positions)]
        near = Near(self.grid(code), round(float(distances), 2))
        return Located(lon, lat, self.version, None, None, None, None, near)

    def locate_many(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.int64]:
        """Positions in `index.codes` of the grids of many points; -1 for none."""
        return self.index.locate(lon, lat)

    def above(self, grid_code: str) -> tuple[Named | None, Named | None, Named | None]:
        """Community, street and district of a grid; None where its code does not say."""
        position = self._positions.get(grid_code)
        community = self._cells.communities[position] if position is not None else _community_in(grid_code)
        if not community:
            return None, None, None
        return self.place(community), self.place(community[:9]), self.place(community[:6])

    def grid(self, code: str) -> Named:
        """The grid with its name."""
        position = self._positions.get(code)
        return Named(code, self._cells.names[position] if position is not None else code)

    def place(self, code: str) -> Named:
        """A district, street or community with its name."""
        return Named(code, self._place_names.get(code) or _NATIONAL_NAMES.get(code) or code)

    def limited_to(self, districts: Sequence[str]) -> Gridded:
        """The same for somebody who may know of the grids of `districts` only; slow the first time."""
        wanted = tuple(sorted(districts))
        with self._making:
            view = self._views.get(wanted)
            if view is None:
                view = self._views[wanted] = self._limited(wanted)
                if len(self._views) > _KEPT_VIEWS:
                    self._views.popitem(last=False)
            self._views.move_to_end(wanted)
            return view

    def _limited(self, districts: tuple[str, ...]) -> Gridded:
        kept = [i for i, community in enumerate(self._cells.communities) if community.startswith(districts)]
        cells = Cells(
            tuple(self._cells.codes[i] for i in kept),
            tuple(self._cells.names[i] for i in kept),
            tuple(self._cells.communities[i] for i in kept),
            self._cells.polygons[kept],
        )
        return Gridded(cells, self._place_names, self.versions, self.layer)


class Locator:
    """The newest `Gridded` of one database, kept by following notices. Open it with `async with`.

    A new version is read and built beside the standing one, in a thread, and takes its place at once when it
    is ready; until then answers come from the version before. After missed notices versions are compared.
    """

    def __init__(self, db: Database, notices: Notices | None = None) -> None:
        self._db = db
        self._given = notices
        self._now = _nothing()
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"Locator({self._now!r})"

    @property
    def now(self) -> Gridded:
        """What stands now; take it once for each answer."""
        return self._now

    async def __aenter__(self) -> Locator:
        notices = self._given
        if notices is None:
            notices = await self._stack.enter_async_context(Notices(self._db))
        news = notices.subscribe(LAYER_CHANNEL)
        await self.refresh()
        self._tasks = [
            asyncio.create_task(self._follow(news), name="locator-follow"),
            asyncio.create_task(self._build(), name="locator-build"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def for_viewer(self, viewer: Viewer) -> Gridded:
        """The grids that `viewer` may know of. Raises as `layers.access.scope_for` does."""
        now = self._now
        if now.layer is None:
            return now
        scope = scope_for(viewer, now.layer)
        if scope.districts is None:
            return now
        return await asyncio.to_thread(now.limited_to, scope.districts)

    async def refresh(self) -> bool:
        """Compares versions and, if they differ, reads and builds anew; True if something changed."""
        async with self._db.connect() as connection:
            layers = await _followed_layers(connection)
            versions = {layer.id: layer.version for layer in layers.values()}
            if versions == self._now.versions:
                return False
            cells = await _read_cells(connection, layers.get(GRID_LAYER))
            names = await _read_names(connection, layers)
        built = await asyncio.to_thread(Gridded, cells, names, versions, layers.get(GRID_LAYER))
        async with self._changed:
            self._now = built
            self._changed.notify_all()
        _log.info("the grid index stands at version %d with %d grids", built.version, len(built.index))
        return True

    async def wait_for_version(self, version: int, timeout_s: float = 10.0) -> Gridded:
        """Waits until the unit grids stand at `version` or later; raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self._now.version >= version)
            return self._now

    async def _follow(self, news: Subscription) -> None:
        async for item in news:
            if isinstance(item, Missed) or (isinstance(item, Notice) and item.subject in FOLLOWED):
                self._wanted.set()

    async def _build(self) -> None:
        """Several notices that come while an index is built make one more, not several."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.refresh()
            except OneMapError as error:
                _log.warning("the grid index could not be refreshed: %s", error.en)
                await asyncio.sleep(_RETRY_S)
                self._wanted.set()
            except Exception:
                # Nobody awaits this task: an error that ended it would freeze the index without a word.
                _log.exception("the grid index could not be built; the standing one stays")


def _nothing() -> Gridded:
    return Gridded(Cells((), (), (), np.empty(0, dtype=object)), {}, {}, None)


async def _followed_layers(connection: AsyncConnection) -> dict[str, Layer]:
    """Those of the followed layers that are published; a withdrawn layer is as good as none."""
    found = {}
    for layer_id in sorted(FOLLOWED):
        with contextlib.suppress(NotFound):
            layer = await read_layer(connection, layer_id)
            if layer.status == "published":
                found[layer_id] = layer
    return found


async def _read_cells(connection: AsyncConnection, layer: Layer | None) -> Cells:
    if layer is None:
        return _nothing()._cells
    scope = scope_for(SYSTEM, layer)
    fields = _present(scope, ("name", "community_code"))
    table = rows(scope, fields=fields).subquery("scoped")
    found = await connection.execute(
        select(table.c._key, func.ST_AsBinary(table.c._geom), *(table.c[name] for name in fields)).order_by(
            table.c._key
        )
    )
    grids = [(row[0], row[1], dict(zip(fields, row[2:], strict=True))) for row in found]
    keys = tuple(key for key, _, _ in grids)
    shapes = await asyncio.to_thread(
        shapely.from_wkb, np.array([bytes_ for _, bytes_, _ in grids], dtype=object)
    )
    return Cells(
        keys,
        tuple(values.get("name") or key for key, _, values in grids),
        tuple(values.get("community_code") or _community_in(key) for key, _, values in grids),
        shapes,
    )


async def _read_names(connection: AsyncConnection, layers: Mapping[str, Layer]) -> dict[str, str]:
    """Names of districts, streets and communities by code."""
    names: dict[str, str] = {}
    for layer_id in PLACE_LAYERS:
        layer = layers.get(layer_id)
        if layer is None or layer.field("name") is None:
            continue
        table = rows(scope_for(SYSTEM, layer), fields=("name",)).subquery("scoped")
        found = await connection.execute(select(table.c._key, table.c.name).where(table.c.name.is_not(None)))
        names.update({str(key): str(name) for key, name in found})
    return names


def _present(scope: Scope, wanted: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in scope.fields)


def _community_in(code: str) -> str:
    """The community in a grid's code; nothing in a code that follows no standard."""
    try:
        return codes.parse_grid_code(code).community
    except InvalidCode:
        return ""


_NATIONAL_NAMES = {line.code: line.zh for line in (*codes.districts(), *codes.streets())}
"""Where the base layers are not published, the code table knows districts and streets."""
