"""The user's own functions for the tests of function layers: one of each trouble, in the schema `gis`."""

from __future__ import annotations

from typing import Any

from layers.db import Database
from layers.model import Layer, Text
from layers.registered_functions import register_function
from layers.registration import FunctionRegistration, Registration

FUNCTIONS = """
    CREATE FUNCTION gis.open_shops(bounds geometry, least_floors integer DEFAULT 0, kind text DEFAULT NULL)
    RETURNS TABLE (id integer, name text, floors smallint, district text, phone text, geom geometry)
    LANGUAGE sql STABLE AS $$
        SELECT s.id, s.name, s.floors, s.district, s.phone, s.geom FROM gis.shop s
        WHERE s.geom && bounds AND s.floors >= least_floors AND (kind IS NULL OR s."select" = kind)
        ORDER BY s.id
    $$;
    COMMENT ON FUNCTION gis.open_shops IS '开业的商铺';
    CREATE FUNCTION gis."Where 在%哪"(z integer, x integer, y integer, "高于" date)
    RETURNS TABLE (said text, geom geometry)
    LANGUAGE sql IMMUTABLE AS $$
        SELECT z || '/' || x || '/' || y || ' ' || "高于", ST_Centroid(ST_TileEnvelope(z, x, y))
    $$;
    CREATE FUNCTION gis.all_shops() RETURNS SETOF gis.shop LANGUAGE sql STABLE
    AS 'SELECT * FROM gis.shop ORDER BY id';
    CREATE FUNCTION gis.fails(divisor integer DEFAULT 1) RETURNS TABLE (n integer, geom geometry)
    LANGUAGE plpgsql STABLE AS $$
        BEGIN
            IF divisor = 7 THEN RAISE EXCEPTION 'a secret of the database'; END IF;
            RETURN QUERY SELECT 1 / divisor, ST_Point(116.483, 31.723, 4490);
        END
    $$;
    CREATE FUNCTION gis.writes() RETURNS TABLE (n integer, geom geometry)
    LANGUAGE plpgsql STABLE AS $$
        BEGIN
            EXECUTE 'DELETE FROM gis.shop';
            RETURN QUERY SELECT 1, ST_Point(116.483, 31.723, 4490);
        END
    $$;
    CREATE FUNCTION gis.waits() RETURNS TABLE (n integer, geom geometry) LANGUAGE sql STABLE
    AS 'SELECT 1, ST_Point(116.483, 31.723, 4490) FROM pg_sleep(60)';
    CREATE FUNCTION gis.changes_things() RETURNS TABLE (n integer, geom geometry) LANGUAGE sql
    AS 'DELETE FROM gis.shop RETURNING id, geom';
    CREATE FUNCTION gis.one() RETURNS geometry LANGUAGE sql STABLE AS 'SELECT ST_Point(1, 1, 4490)';
    CREATE FUNCTION gis.nameless(integer) RETURNS TABLE (n integer, geom geometry) LANGUAGE sql STABLE
    AS 'SELECT $1, ST_Point(1, 1, 4490)';
    CREATE FUNCTION gis.twice(n integer) RETURNS TABLE (m integer, geom geometry) LANGUAGE sql STABLE
    AS 'SELECT n, ST_Point(1, 1, 4490)';
    CREATE FUNCTION gis.twice(n text) RETURNS TABLE (m text, geom geometry) LANGUAGE sql STABLE
    AS 'SELECT n, ST_Point(1, 1, 4490)';
    CREATE FUNCTION gis.placeless() RETURNS TABLE (n integer) LANGUAGE sql STABLE AS 'SELECT 1';
    CREATE FUNCTION gis.peeks() RETURNS TABLE (n bigint, geom geometry) LANGUAGE sql STABLE
    AS 'SELECT 1::bigint, ST_Point(1, 1, 4490) FROM onemap.layer';
    CREATE FUNCTION gis.peeks_by_name(whose text, tried boolean DEFAULT false)
    RETURNS TABLE (n bigint, geom geometry) LANGUAGE plpgsql STABLE AS $$
        BEGIN
            IF tried THEN
                BEGIN RETURN QUERY EXECUTE 'SELECT count(*), ST_Point(1, 1, 4490) FROM one' || whose;
                EXCEPTION WHEN division_by_zero THEN NULL; END;
            ELSE RETURN QUERY EXECUTE 'SELECT count(*), ST_Point(116.483, 31.723, 4490) FROM ' || whose;
            END IF;
        END
    $$;
    CREATE FUNCTION gis.peeks_through_another() RETURNS TABLE (n bigint, geom geometry)
    LANGUAGE sql STABLE AS $$ SELECT * FROM gis.peeks_by_name('one' || 'map.account') $$;
    CREATE FUNCTION gis.of_json(what jsonb) RETURNS TABLE (n integer, geom geometry) LANGUAGE sql STABLE
    AS 'SELECT 1, ST_Point(1, 1, 4490)';
    CREATE FUNCTION gis.of_version(version integer) RETURNS TABLE (n integer, geom geometry)
    LANGUAGE sql STABLE AS 'SELECT 1, ST_Point(1, 1, 4490)';
"""


def wanted(function: str, **said: Any) -> FunctionRegistration:
    """A registration of `gis.<function>`; its layer is called the same unless `id` says otherwise."""
    more = {name: said.pop(name) for name in ("allowed", "most_rows") if name in said}
    rows = {
        "id": function,
        "title": Text(f"函数 {function}", f"Function {function}"),
        "access": "public",
        "srid": 4490,
        **said,
    }
    return FunctionRegistration(Registration(schema="gis", table=function, **rows), **more)


async def registered_function(db: Database, function: str, **said: Any) -> Layer:
    """`gis.<function>` registered; the layer."""
    return (await register_function(db, wanted(function, **said), by="test")).layer
