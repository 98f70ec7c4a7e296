"""Functions of the operator's own as layers: which are taken, what may be said to them, what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from layers.catalogue import get_layer
from layers.db import Database
from layers.description import from_json, to_json
from layers.errors import BadData, BadRequest, Conflict, NotAllowed, NotFound
from layers.function_arguments import read_arguments, with_limits
from layers.function_facts import function_facts
from layers.model import Argument, BoundingBox, FieldType, FunctionSource, Layer, Relation, Text
from layers.registered import refresh, unregister
from layers.registered_functions import (
    check_function,
    forget_function,
    look_at_function,
    refresh_function,
    register_function,
)
from layers.relation_state import find_faults
from tests.layers.functions import FUNCTIONS, registered_function, wanted
from tests.layers.registered_tables import TABLES, run_sql


@pytest.fixture
def functions(database_url: str) -> str:
    run_sql(database_url, TABLES, FUNCTIONS)
    return database_url


async def test_what_comes_out_and_what_may_be_said_is_found_out(database: Database, functions: str) -> None:
    layer = await registered_function(
        database, "open_shops", key="id", geometry_type="Point", sensitive={"phone": "personal"},
        allowed={"least_floors": "0..100", "kind": "s1, s7"}, district_field="district",
    )  # fmt: skip
    assert (layer.kind, layer.key, layer.geometry_type, layer.version) == ("function", "id", "Point", 1)
    assert (layer.status, layer.has_rows, layer.description.zh) == ("published", False, "开业的商铺")
    assert [(f.name, f.type) for f in layer.fields] == [
        ("id", "integer"), ("name", "text"), ("floors", "integer"), ("district", "text"), ("phone", "text"),
    ]  # fmt: skip
    assert layer.function is not None
    assert layer.function.square == ("bounds",)
    assert layer.function.arguments == (
        Argument("least_floors", "integer", "int4", is_required=False, least="0", most="100"),
        Argument("kind", "text", "text", is_required=False, choices=("s1", "s7")),
    )
    assert from_json(to_json(layer), where="test").function == layer.function
    assert await get_layer(database, "open_shops") == layer


async def test_a_function_returning_rows_of_a_table_has_its_types(database: Database, functions: str) -> None:
    found = await look_at_function(database, wanted("all_shops", srid=None))
    layer = found.layer
    assert layer.function is not None
    assert (layer.geometry_type, layer.function.relation.srid) == ("Point", 4490)
    assert layer.field("name").title.zh == "名称"  # type: ignore[union-attr]
    assert any("z, x, y" in finding.sentence.en for finding in found.findings)
    with pytest.raises(NotFound):
        await get_layer(database, "all_shops")


REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("changes_things", {}, "VOLATILE"),
    ("one", {}, "set of rows"),
    ("nameless", {}, "needs a name"),
    ("twice", {}, "several have that name"),
    ("placeless", {}, "no geometry column"),
    ("peeks", {}, "onemap's own"),
    ("of_json", {}, "cannot be said"),
    ("of_version", {}, "something else"),
    ("open_shops", {"srid": None}, "--srid"),
    ("open_shops", {"srid": 999_999}, "cannot transform"),
    ("open_shops", {"key": "nothing"}, "does not exist"),
    ("open_shops", {"allowed": {"nothing": "1..2"}}, "no argument 'nothing'"),
    ("open_shops", {"allowed": {"least_floors": "9..1"}}, "least_floors"),
    ("open_shops", {"allowed": {"least_floors": "a,b"}}, "least_floors"),
    ("open_shops", {"follow": True}, "for tables"),
    ("open_shops", {"most_rows": 0}, "1 to 100,000"),
    ("all_shops", {"srid": 4527}, "its type says 4490"),
)


async def test_what_cannot_be_a_layer_is_refused_with_the_reason(database: Database, functions: str) -> None:
    for name, said, why in REFUSED:
        with pytest.raises(BadRequest, match=why):
            await register_function(database, wanted(name, **said), by="test")
        with pytest.raises(NotFound):
            await get_layer(database, name)


async def test_the_schemas_of_the_service_and_unknown_names_are_refused(
    database: Database, functions: str
) -> None:
    with pytest.raises(NotFound):
        await look_at_function(database, wanted("nowhere"))
    for schema in ("pg_catalog", "onemap", "information_schema"):
        asked = wanted("generate_series")
        with pytest.raises(BadRequest, match="belongs to"):
            await look_at_function(
                database, type(asked)(type(asked.rows)(**{**vars(asked.rows), "schema": schema}))
            )


async def test_a_function_that_may_not_be_called_is_said_with_the_grant(
    database: Database, functions: str
) -> None:
    run_sql(
        functions,
        "CREATE ROLE onemap_test_reader",
        "REVOKE EXECUTE ON FUNCTION gis.all_shops FROM public",
    )
    try:
        async with database.begin() as connection:
            await connection.exec_driver_sql("SET LOCAL ROLE onemap_test_reader")
            with pytest.raises(NotAllowed, match="USAGE ON SCHEMA"):
                await function_facts(connection, "gis", "all_shops")
    finally:
        run_sql(functions, "DROP ROLE onemap_test_reader")


async def test_a_function_is_refreshed_checked_and_forgotten(database: Database, functions: str) -> None:
    layer = await registered_function(database, "all_shops", srid=None, allowed={}, min_zoom=12)
    with pytest.raises(Conflict):
        await register_function(database, wanted("all_shops", srid=None), by="test")
    for of_tables in (refresh(database, "all_shops"), unregister(database, "all_shops", by="test")):
        with pytest.raises(Conflict, match="not a registered table"):
            await of_tables
    assert [f.kind for f in await check_function(database, layer)] == ["warning"]
    again = (await refresh_function(database, "all_shops")).layer
    assert (again.version, again.min_zoom, again.function) == (2, 12, layer.function)
    run_sql(functions, "ALTER FUNCTION gis.all_shops VOLATILE")
    (fault,) = await check_function(database, layer)
    assert fault.kind == "fault"
    run_sql(functions, "DROP FUNCTION gis.all_shops")
    assert "does not exist" in (await find_faults(database, [layer]))["all_shops"].sentence.en
    await forget_function(database, "all_shops", by="test")
    with pytest.raises(NotFound):
        await get_layer(database, "all_shops")


def asking(*arguments: Argument) -> Layer:
    """A function layer with these arguments."""
    world = BoundingBox(-180, -90, 180, 90)
    relation = Relation(
        "gis", "f", "", "integer", False, "geom", 4490, True, world, tuple(world), reads={}, types={}
    )
    function = FunctionSource(relation, "", arguments, (), 1)
    return Layer("f", Text("", ""), "other", "Point", (), kind="function", function=function)


def argument(own_type: str, kind: FieldType) -> Argument:
    return Argument("a", kind, own_type, is_required=True)


@pytest.mark.parametrize(
    ("asked", "text", "value"),
    [
        (argument("int2", "integer"), "-32768", -32768),
        (argument("int8", "integer"), "+9223372036854775807", 2**63 - 1),
        (argument("float8", "number"), "1e-3", 0.001),
        (argument("numeric", "number"), "0.10", Decimal("0.10")),
        (argument("bool", "boolean"), "false", False),
        (argument("text", "text"), "'; DROP TABLE x; --", "'; DROP TABLE x; --"),
        (argument("date", "date"), "2026-02-28", date(2026, 2, 28)),
        (
            argument("timestamptz", "datetime"),
            "2026-01-01T08:00:00 00:00",
            datetime(2026, 1, 1, 8, tzinfo=UTC),
        ),
    ],
)
async def test_texts_become_values_of_the_arguments_own_type(
    database: Database, functions: str, asked: Argument, text: str, value: object
) -> None:
    layer = await registered_function(database, "all_shops", srid=None)
    assert layer.function is not None
    told = FunctionSource(layer.function.relation, "", (asked,), (), 1)
    assert read_arguments(type(layer)(**{**vars(layer), "function": told}), [("a", text)]) == (("a", value),)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (argument("int2", "integer"), "32768"),
        (argument("int4", "integer"), "1_000"),
        (argument("int4", "integer"), "１２"),
        (argument("int4", "integer"), "1.0"),
        (argument("float8", "number"), "nan"),
        (argument("float8", "number"), "1e999"),
        (argument("numeric", "number"), "Infinity"),
        (argument("numeric", "number"), "1" * 500),
        (argument("bool", "boolean"), "yes"),
        (argument("text", "text"), "a\x00b"),
        (argument("text", "text"), "字" * 201),
        (argument("text", "text"), "\ud800"),
        (argument("date", "date"), "2026-02-30"),
        (argument("timestamptz", "datetime"), "2026-01-01T08:00:00"),
        (with_limits(argument("int4", "integer"), "1..5"), "6"),
        (with_limits(argument("date", "date"), "2020-01-01..2020-12-31"), "2021-01-01"),
        (with_limits(argument("text", "text"), "JS,PS"), "js"),
    ],
)
def test_what_is_not_of_the_type_or_not_allowed_is_refused_by_name(asked: Argument, text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_arguments(asking(asked), [("a", text)])
    assert refused.value.facts["field"] == "a"


def test_a_required_an_unknown_and_a_repeated_argument_are_told() -> None:
    layer = asking(Argument("高于", "date", "date", is_required=True))
    with pytest.raises(BadRequest, match="高于"):
        read_arguments(layer, [])
    for said in ([("nothing", "1")], [("高于", "2026-01-01"), ("高于", "2026-01-02")]):
        with pytest.raises(BadRequest, match="unknown"):
            read_arguments(layer, said)


async def test_a_description_without_its_function_is_refused(database: Database, functions: str) -> None:
    layer = await registered_function(database, "all_shops", srid=None)
    with pytest.raises(BadData):
        from_json({**to_json(layer), "function": None}, where="test")
