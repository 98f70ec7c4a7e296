"""Tiles of function layers: drawn by PostGIS from what the function returns, for what is said to it."""

from __future__ import annotations

import asyncio

import mapbox_vector_tile
import pytest

from gis.matrix_sets import CGCS2000_QUAD
from gis.squares import Tile, tile_at
from layers import db as database_module
from layers.access import ANONYMOUS, SYSTEM, Viewer, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.errors import BadRequest, NotAllowed, RelationChanged, TimedOut
from layers.model import Layer
from tests.layers.functions import FUNCTIONS, registered_function
from tests.layers.registered_tables import SOUTH, TABLES, WEST, ask_sql, registered, run_sql
from tiles.cache import EncodedTile
from tiles.server import TileServer, called, select_scopes
from tiles.square import mercator_square, square_in

HERE = tile_at(WEST + 0.0045, SOUTH + 0.0045, 13)


@pytest.fixture
def functions(database_url: str) -> str:
    run_sql(database_url, TABLES, FUNCTIONS)
    return database_url


async def tile(
    server: TileServer,
    layer: Layer,
    said: dict[str, str] | None = None,
    *,
    viewer: Viewer = ANONYMOUS,
    at: Tile = HERE,
) -> EncodedTile:
    selection = called(select_scopes([scope_for(viewer, layer)]), list((said or {}).items()))
    square = mercator_square(at)
    return server.kept(selection, square) or await server.drawn(selection, square)


def features(drawn: EncodedTile) -> list[dict[str, object]]:
    content = drawn.identity()
    if not content:
        return []
    (part,) = mapbox_vector_tile.decode(content).values()
    return list(part["features"])


async def test_a_tile_holds_the_rows_the_function_returns_for_its_arguments(
    database: Database, functions: str
) -> None:
    layer = await registered_function(database, "open_shops", key="id", geometry_type="Point")
    table = await registered(database, "shop")
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        whole = features(await server.tile([scope_for(ANONYMOUS, table)], HERE))
        all_of_them = {f["id"]: f["geometry"] for f in whole}
        drawn = features(await tile(server, layer))
        assert {f["id"]: f["geometry"] for f in drawn} == all_of_them
        assert len(all_of_them) > 50
        high = features(await tile(server, layer, {"least_floors": "3"}))
        assert {f["properties"]["floors"] for f in high} == {3, 4}  # type: ignore[index]
        (one,) = features(await tile(server, layer, {"kind": "s7", "least_floors": "1"}))
        assert (one["id"], one["properties"]["name"]) == (7, "第7家")  # type: ignore[index]
        assert await tile(server, layer, {"kind": "'; DROP TABLE gis.shop; --"}) == await tile(
            server, layer, {"kind": "nothing"}
        )
    assert ask_sql(functions, "SELECT count(*) FROM gis.shop") == 100


async def test_names_and_square_reach_the_function_quoted_and_exact(
    database: Database, functions: str
) -> None:
    layer = await registered_function(database, "Where 在%哪", id="here", srid=3857)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        (one,) = features(await tile(server, layer, {"高于": "2026-03-01"}))
        assert one["properties"]["said"] == f"{HERE.z}/{HERE.x}/{HERE.y} 2026-03-01"  # type: ignore[index]
        assert "id" not in one or not one["id"]
        with pytest.raises(BadRequest, match="高于"):
            await server.tile([scope_for(ANONYMOUS, layer)], HERE)
        selection = called(select_scopes([scope_for(ANONYMOUS, layer)]), [("高于", "2026-03-01")])
        with pytest.raises(BadRequest, match="WebMercatorQuad"):
            await server.drawn(selection, square_in(CGCS2000_QUAD, 5, 0, 0))


async def test_bounds_reach_the_function_in_every_matrix_set(database: Database, functions: str) -> None:
    layer = await registered_function(database, "open_shops", key="id")
    selection = select_scopes([scope_for(ANONYMOUS, layer)])
    degrees = CGCS2000_QUAD.bounds(13, 0, 0)
    side = degrees[2] - degrees[0]
    column, row = int((WEST + 0.004 + 180) // side), int((90 - SOUTH - 0.004) // side)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        drawn = await server.drawn(selection, square_in(CGCS2000_QUAD, 13, column, row))
        assert len(features(drawn)) > 10


async def test_rows_beyond_the_limit_are_counted_not_drawn(database: Database, functions: str) -> None:
    layer = await registered_function(database, "all_shops", srid=None, most_rows=10)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        drawn = await tile(server, layer, at=tile_at(WEST, SOUTH, 9))
        assert [f["properties"]["id"] for f in features(drawn)] == list(range(10))  # type: ignore[index]
        assert drawn.left_out == {"all_shops": 90}


async def test_rights_decide_which_rows_and_fields_of_it_leave(database: Database, functions: str) -> None:
    layer = await registered_function(
        database, "open_shops", key="id", district_field="district", sensitive={"phone": "personal"},
        access="login", fields=("name", "phone", "district"),
    )  # fmt: skip
    west = Viewer("w", roles=frozenset({"viewer"}), districts=("341502",), is_logged_in=True)
    with pytest.raises(NotAllowed):
        scope_for(ANONYMOUS, layer)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        whole = features(await tile(server, layer, viewer=SYSTEM))
        part = features(await tile(server, layer, viewer=west))
        assert {f["id"] % 10 // 5 for f in whole} == {0, 1}  # type: ignore[operator]
        assert {f["id"] % 10 // 5 for f in part} == {0}  # type: ignore[operator]
        assert set(part[0]["properties"]) & {"id", "name", "phone"} == {"id", "name"}  # type: ignore[call-overload]


async def test_a_function_that_reads_tables_of_ours_under_names_made_at_run_time_is_refused(
    database: Database, functions: str
) -> None:
    """Rights do not hold in there: an account's row is nobody's business, a layer's only whose may see it."""
    layer = await registered_function(database, "peeks_by_name")
    through = await registered_function(database, "peeks_through_another")
    run_sql(functions, "CREATE VIEW gis.eye AS SELECT name FROM onemap.account")
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert features(await tile(server, layer, {"whose": "gis.shop"}))[0]["properties"]
        for whose in ("onemap.account", "onemap.layer, gis.shop", "gis.eye"):
            with pytest.raises(RelationChanged):
                await tile(server, layer, {"whose": whose})
        with pytest.raises(RelationChanged, match="reads tables of onemap's own"):
            await tile(server, layer, {"whose": "map.layer", "tried": "true"})
        with pytest.raises(RelationChanged, match="reads tables of onemap's own"):
            await tile(server, through)
        assert features(await tile(server, layer, {"whose": "gis.shop"})), "the connection serves on"


async def test_each_set_of_arguments_is_kept_apart_and_never_on_disk(
    database: Database, functions: str
) -> None:
    layer = await registered_function(database, "open_shops", key="id")
    open_to_all = select_scopes([scope_for(ANONYMOUS, layer)])
    high = called(open_to_all, [("least_floors", "3")])
    assert (open_to_all.is_versioned, open_to_all.lasts_s) == (False, 30)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        square = mercator_square(HERE)
        await server.drawn(high, square)
        if server.kept(high, square) is None:  # its 30 seconds ended meanwhile: others have just begun
            await server.drawn(high, square)
        assert server.kept(high, square) is not None
        assert server.kept(called(open_to_all, [("least_floors", "2")]), square) is None
        assert server.kept(open_to_all, square) is None


async def test_it_is_drawn_alone_and_without_a_filter(database: Database, functions: str) -> None:
    layer = await registered_function(database, "all_shops", srid=None)
    table = await registered(database, "shop")
    with pytest.raises(BadRequest, match="by itself"):
        select_scopes([scope_for(ANONYMOUS, layer), scope_for(ANONYMOUS, table)])
    with pytest.raises(BadRequest, match="unknown query parameter"):
        called(select_scopes([scope_for(ANONYMOUS, table)]), [("least_floors", "3")])


async def test_a_function_that_fails_writes_or_is_gone_fails_alone_and_keeps_its_secrets(
    database: Database, functions: str
) -> None:
    fails = await registered_function(database, "fails")
    writes = await registered_function(database, "writes")
    gone = await registered_function(database, "all_shops", srid=None)
    run_sql(functions, "DROP FUNCTION gis.all_shops")
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert len(features(await tile(server, fails))) == 1
        with pytest.raises(BadRequest):
            await tile(server, fails, {"divisor": "0"})
        for layer, said in ((fails, {"divisor": "7"}), (writes, {}), (gone, {})):
            with pytest.raises(RelationChanged) as failed:
                await tile(server, layer, said)
            assert failed.value.layer_ids == (layer.id,)
            assert "secret" not in failed.value.en
    assert ask_sql(functions, "SELECT count(*) FROM gis.shop") == 100


async def test_a_function_that_takes_long_is_cancelled(
    database: Database, functions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = await registered_function(database, "waits")
    monkeypatch.setattr(database_module, "DRAW_TIMEOUT_MS", 200)
    async with Database(functions) as other, Catalogue(other) as catalogue:
        with pytest.raises(TimedOut):
            await asyncio.wait_for(tile(TileServer(other, catalogue), layer), 30)
