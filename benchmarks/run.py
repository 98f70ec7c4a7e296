"""`make bench`: one city, one server, every comparison, one table each."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import changed, first_view, fresh, imports, locate, tiles, weight
from benchmarks.report import show, show_times
from benchmarks.tile_list import ZOOMS
from layers.catalogue import get_layer, register, set_access
from layers.db import Database
from layers.description import known_layers
from layers.errors import BadRequest
from onemap.cluster import Cluster
from onemap.demo import load_city
from onemap.serve import migrate
from onemap.terminal import Bars, say, step
from sample_data.make import make_city

SUBJECTS = ("locate", "tiles", "weight", "first-view", "fresh", "import")
_OF_A_CITY = {"tiles", "weight", "first-view", "fresh"}
"""They look at the whole sample city as it is served."""


def run(only: Sequence[str], scale: float, counts: Mapping[str, int], tile_list: Path | None = None) -> None:
    """Measures the chosen subjects (all by default) on a city of `scale`, in a cluster of its own.

    `counts` overrides what the scale gives, by layer. `tile_list`: a file for the list of tiles, as JSON.
    """
    for subject in only:
        if subject not in SUBJECTS:
            raise BadRequest(
                f"没有基准“{subject}”", f"no benchmark {subject!r}",
                field="only", value=subject, expected=", ".join(SUBJECTS),
            )  # fmt: skip
    chosen = tuple(only) or SUBJECTS
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder) / "home")
        with step("启动基准用 PostGIS", "starting a PostGIS for the benchmark"):
            cluster.ensure_running()
        try:
            _measure(cluster, Path(folder) / "city", chosen, scale, counts, tile_list)
        finally:
            cluster.stop()


def _measure(
    cluster: Cluster,
    city: Path,
    chosen: Sequence[str],
    scale: float,
    counts: Mapping[str, int],
    tile_list: Path | None,
) -> None:
    url = cluster.url
    asyncio.run(migrate(url))
    if "locate" in chosen:
        show(say("定位", "locate"), locate.run(url))
    if not {*_OF_A_CITY, "import"} & set(chosen):
        return
    if not _OF_A_CITY & set(chosen):
        counts = {"component": 1_000, "pipe_line": 1_000, **counts}  # not looked at
    with Bars() as bars:
        make_city(city, scale=scale, progress=bars, counts=counts)
    if "import" in chosen:
        show(say("导入", "import"), imports.run(url, cluster.data, city))
    if _OF_A_CITY & set(chosen):
        asyncio.run(_load(url, city))
    if "tiles" in chosen:
        squares = tiles.squares_of(url)
        show(say("瓦片", "tiles"), tiles.run(url, squares))
        show(say("发布之后", "after a publication"), changed.run(url, squares))
        if tile_list is not None:
            tile_list.write_text(json.dumps([square.place for square in squares]))
    if "weight" in chosen:
        show(say("瓦片大小", "weight of tiles"), weight.run(url))
    if "first-view" in chosen:
        asyncio.run(_give_back(url))
        ratios, times = first_view.run(url)
        show(say("首屏", "first view"), ratios)
        show_times(say("首屏完整所需", "to a complete map"), times)
    if "fresh" in chosen:
        show_times(say("更新", "freshness"), fresh.told(fresh.run(url)))


async def _load(url: str, city: Path) -> None:
    async with Database(url) as database:
        for name in tiles.LAYERS:
            # Pipes are for people who log in, and a layer may begin further in than the list of tiles does.
            layer = await get_layer(database, name)
            await register(database, replace(layer, min_zoom=min(layer.min_zoom, ZOOMS[0])))
            await set_access(database, name, "public")
        await load_city(database, city)


async def _give_back(url: str) -> None:
    """Access as the layers' descriptions propose it: a first view is a stranger's."""
    async with Database(url) as database:
        for layer in known_layers():
            await set_access(database, layer.id, layer.access)
