"""Tiles of registered tables: what PostGIS draws from the table itself, chosen by the table's own index."""

from __future__ import annotations

import gzip

import mapbox_vector_tile
import psycopg
import pytest
from sqlalchemy import make_url

from gis.matrix_sets import CGCS2000_QUAD
from gis.squares import Tile, tile_at
from layers.access import ANONYMOUS, Scope, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.errors import RelationChanged
from layers.model import Layer
from layers.registered import refresh
from tests.layers.registered_tables import SOUTH, TABLES, WEST, in_system, registered, run_sql
from tests.tiles.exact import GRIDS, Exact
from tests.tiles.read_back import read_back
from tests.tiles.test_drawing import decode
from tests.tiles.town import put, shop_layer, shops
from tiles.server import TileServer, select_scopes
from tiles.square import Square, mercator_square, square_in
from tiles.statement import compose

SYSTEMS = {"shop": 4490, "wgs84": 4326, "mercator": 3857, "zone39": 4527, "zone38": 4526}


@pytest.fixture
def tables(database_url: str) -> str:
    others = [in_system(name, srid) for name, srid in SYSTEMS.items() if name != "shop"]
    run_sql(
        database_url,
        TABLES,
        *others,
        """CREATE TABLE gis.plot (id integer PRIMARY KEY, name text, geom geometry(Polygon, 4527));
           INSERT INTO gis.plot SELECT id, name, ST_Buffer(ST_Transform(geom, 4527), 1 + id, 2) FROM gis.shop;
           CREATE INDEX ON gis.plot USING gist (geom)""",
    )
    return database_url


def open_to(layer: Layer) -> Scope:
    return scope_for(ANONYMOUS, layer)


def direct(url: str, table: str, square: Square) -> bytes:
    """The tile as PostGIS makes it from the table in one plain statement, all rows looked at."""
    west, south, east, north = square.bounds
    frame = square.frame
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            f"""SELECT ST_AsMVT(f, '{table}', 4096, 'g', 'id') FROM (
                    SELECT ST_AsMVTGeom(ST_Transform(geom, {frame}),
                        ST_MakeEnvelope({west}, {south}, {east}, {north}, {frame}), 4096, 64, true) AS g, id
                    FROM gis.{table}) f WHERE g IS NOT NULL""".encode()
        ).fetchone()
    assert row is not None
    return bytes(row[0])


def shapes(content: bytes) -> dict[int, object]:
    if not content:
        return {}
    (part,) = mapbox_vector_tile.decode(content).values()
    return {f["id"]: f["geometry"] for f in part["features"]}


@pytest.mark.parametrize("table", [*SYSTEMS, "plot"])
async def test_a_tile_is_what_postgis_draws_from_the_table(
    database: Database, tables: str, table: str
) -> None:
    scope = open_to(await registered(database, table))
    seen = 0
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for zoom in (0, 3, 9, 14, 16, 18):
            for lon in (WEST, WEST + 0.0055, -179.9):
                at = tile_at(lon, SOUTH + 0.004, zoom)
                degrees = CGCS2000_QUAD.bounds(zoom, 0, 0)
                side = degrees[2] - degrees[0]
                column, row = int((lon + 180) // side), int((90 - SOUTH - 0.004) // side)
                for square in (mercator_square(at), square_in(CGCS2000_QUAD, zoom, column, row)):
                    tile = await server.drawn(select_scopes([scope]), square)
                    drawn = shapes(gzip.decompress(tile.body_gzip) if tile.body_gzip else b"")
                    wanted = shapes(direct(tables, table, square))
                    lost = tile.left_out.get(table, 0)
                    assert {i: g for i, g in wanted.items() if i in drawn} == drawn
                    assert len(wanted) <= len(drawn) + lost
                    seen += len(drawn)
    assert seen > 500


@pytest.mark.parametrize("table", [*SYSTEMS, "plot"])
async def test_drawing_uses_the_tables_own_index(database: Database, tables: str, table: str) -> None:
    scope = open_to(await registered(database, table))
    square = mercator_square(tile_at(WEST, SOUTH, 16))
    for frame in (3857, 4490):
        statement = compose([(scope, "exact")], frame)  # type: ignore[arg-type]
        conninfo = make_url(tables).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo) as connection:
            connection.execute("SET enable_seqscan = off")
            plan = connection.execute(f"EXPLAIN {statement.text}".encode(), statement.parameters(square))
            text = "\n".join(row[0] for row in plan)
        assert f"{table}_geom_idx" in text
        assert "Index Cond: (geom &&" in text


async def test_edges_are_drawn_whole_in_a_system_that_bends(database: Database, tables: str) -> None:
    """A row just inside the margin of a tile is found though the tile's sides are curves in the table."""
    run_sql(
        tables,
        """CREATE TABLE gis.edge (id integer PRIMARY KEY, geom geometry(Point, 4527));
           INSERT INTO gis.edge
           SELECT n, ST_Transform(ST_SetSRID(ST_MakePoint(112.5 + n * 0.01, 40.979898), 4490), 4527)
           FROM generate_series(0, 1124) n;
           CREATE INDEX ON gis.edge USING gist (geom)""",
    )
    scope = open_to(await registered(database, "edge"))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        both = []
        for row in (11, 12):  # the edge between the two is at 40.979898° north
            tile = await server.tile([scope], Tile(5, 26, row))
            both.append(set(decode(tile)["edge"]))
    assert both[0] == both[1] == set(range(1125))


async def test_a_key_that_no_tile_can_hold_has_an_id_all_the_same(database: Database, tables: str) -> None:
    """Ids of a tile have no sign (Mapbox Vector Tile 2.1 §4.2), and browsers count to 2^53 - 1."""
    keys = [-(2**63), -7, -1, 0, 1, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1]
    values = ", ".join(f"({key}, ST_SetSRID(ST_MakePoint({WEST}, {SOUTH}), 4490))" for key in keys)
    run_sql(
        tables,
        f"""CREATE TABLE gis.signed (id bigint PRIMARY KEY, geom geometry(Point, 4490));
            INSERT INTO gis.signed VALUES {values};
            CREATE INDEX ON gis.signed USING gist (geom)""",
    )
    scope = open_to(await registered(database, "signed"))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        tile = await server.tile([scope], tile_at(WEST, SOUTH, 14))
        other = await server.tile([scope], tile_at(WEST, SOUTH, 9))
    drawn = read_back(tile.identity())["signed"]
    ids = {feature.attributes["id"]: feature.id for feature in drawn}
    assert ids.keys() == set(keys)
    assert len(set(ids.values())) == len(keys)
    assert all(number is not None and 0 <= number < 2**53 for number in ids.values())
    assert {key: ids[key] for key in (0, 1, 2**53 - 1)} == {key: key for key in (0, 1, 2**53 - 1)}
    again = {feature.attributes["id"]: feature.id for feature in read_back(other.identity())["signed"]}
    assert again == ids


async def test_a_long_straight_edge_is_drawn_where_it_passes(database: Database, tables: str) -> None:
    """Straight in the table's system is not straight in the tile's; the tile draws its own straight line."""
    run_sql(
        tables,
        """CREATE TABLE gis.long (id integer PRIMARY KEY, geom geometry(LineString, 4527));
           INSERT INTO gis.long SELECT n, ST_SetSRID(ST_MakeLine(
               ST_MakePoint(39500000 - 10000 - n * 997, 3520000 + n * 97.3),
               ST_MakePoint(39500000 + 10000 - n * 997, 3520000 + n * 97.3)), 4527)
           FROM generate_series(0, 19) n;
           CREATE INDEX ON gis.long USING gist (geom)""",
    )
    scope = open_to(await registered(database, "long"))
    seen = 0
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        exact = Exact(tables, "gis.long", "id", "geom", 3857, "")
        for z in (16, 17, 18):
            for fid, line in zip(exact.ids, exact.shapes, strict=True):
                for share in (0.1, 0.3, 0.5, 0.6):
                    middle = line.interpolate(share, normalized=True)
                    place = GRIDS["WebMercatorQuad"].place(middle.x, middle.y, z)
                    tile = await server.tile([scope], Tile(z, place.column, place.row))
                    drawn = {feature.id for feature in read_back(tile.identity()).get("long", [])}
                    assert fid in drawn, place
                    seen += 1
    assert seen == 240


async def test_tiles_of_a_table_that_is_gone_name_it_and_draw_the_rest(
    database: Database, tables: str
) -> None:
    lost = open_to(await registered(database, "shop"))
    ours = open_to(await put(database, shop_layer(id="ours"), shops(20)))
    here = tile_at(116.5, 31.74, 12)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert set(decode(await server.tile([lost, ours], here))) == {"shop", "ours"}
        run_sql(tables, "ALTER TABLE gis.shop RENAME TO away")
        near = tile_at(116.5, 31.74, 11)
        with pytest.raises(RelationChanged, match="'shop'"):
            await server.tile([lost], near)
        tile = await server.tile([lost, ours], near)
        assert set(decode(tile)) == {"ours"}
        assert tile.unavailable == ("shop",)
        run_sql(tables, "ALTER TABLE gis.away RENAME TO shop")
        tile = await server.tile([lost, ours], near)
        assert set(decode(tile)) == {"shop", "ours"}
        assert tile.unavailable == ()


async def test_a_tile_nobody_watches_is_kept_for_a_period_only(
    database: Database, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwatched, ours = (
        open_to(await registered(database, "shop")),
        open_to(await put(database, shop_layer(id="ours"), shops(20))),
    )
    watched = open_to(await registered(database, "zone39", follow=True))
    now = [1000.0]
    monkeypatch.setattr("tiles.server.time.monotonic", lambda: now[0])
    square = mercator_square(tile_at(116.485, 31.725, 14))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        selections = {scope.layer.id: select_scopes([scope]) for scope in (unwatched, ours, watched)}
        assert {name: s.lasts_s for name, s in selections.items()} == {
            "shop": 30, "ours": None, "zone39": None,
        }  # fmt: skip
        assert [s.is_versioned for s in selections.values()] == [False, True, False]
        for selection in selections.values():
            await server.drawn(selection, square)
        run_sql(tables, "DELETE FROM gis.shop WHERE id > 0")
        assert all(server.kept(selection, square) for selection in selections.values())
        now[0] += 30
        assert server.kept(selections["shop"], square) is None
        assert set(decode(await server.drawn(selections["shop"], square))["shop"]) == {0}
        assert server.kept(selections["ours"], square)
        assert server.kept(selections["zone39"], square)


async def test_a_refreshed_table_is_drawn_as_it_is_now(database: Database, tables: str) -> None:
    before = open_to(await registered(database, "shop"))
    here = tile_at(WEST, SOUTH, 14)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert len(decode(await server.tile([before], here))["shop"]) == 90
        run_sql(
            tables,
            "ALTER TABLE gis.shop ALTER geom TYPE geometry(Point, 4527) USING ST_Transform(geom, 4527)",
        )
        after = open_to((await refresh(database, "shop")).layer)
        await catalogue.refresh()
        assert len(decode(await server.tile([after], here))["shop"]) == 90
