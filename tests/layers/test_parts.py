"""A delivery that replaces one part of a layer: that part, and not a row beside it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.description import known_layers
from layers.errors import BadData, BadRequest, Conflict
from layers.model import Field, Layer, Text
from layers.parts import in_part
from layers.publish import Staged, compare, publish, publish_in, roll_back, stage
from layers.staged_rows import staged_changes
from layers.tables import rows_table
from tests.layers.specimens import batch, shop_layer
from tests.layers.test_publishing import content

JINAN, YUAN, SHU = "341502", "341503", "341523"


def shops(district: str, **names: str) -> list[dict[str, object]]:
    return [{"code": key, "name": name, "district_code": district} for key, name in names.items()]


@pytest.fixture
async def town(database: Database) -> Layer:
    """Two shops in each of two districts, and one that does not say where it is."""
    layer = await register(database, shop_layer())
    nowhere: list[dict[str, object]] = [{"code": "n", "name": "无处"}]
    whole = batch(*shops(JINAN, a="甲", b="乙"), *shops(YUAN, c="丙", d="丁"), *nowhere)
    await publish(database, await stage(database, layer, [whole]), by="li")
    return await get_layer(database, layer.id)


async def names(database: Database, version: int | None = None) -> dict[str, str | None]:
    layer = await get_layer(database, "shop")
    return {key: name for key, name, _ in await content(database, layer, version)}


async def staged_of(database: Database, layer: Layer, *rows: dict[str, object]) -> Staged:
    return await stage(database, layer, [batch(*rows)])


async def test_only_the_part_is_replaced(database: Database, town: Layer) -> None:
    staged = await staged_of(database, town, *shops(JINAN, a="甲二", e="戊"))
    assert (await compare(database, staged, within=[JINAN]))[:4] == (1, 1, 1, 0)
    scope = scope_for(SYSTEM, town)
    gone = await staged_changes(database, staged, scope, "removed", partial=False, within=[JINAN])
    assert [row.key for row in gone] == ["b"]
    [version] = await publish(database, staged, by="li", within=[JINAN])
    assert (version.added, version.changed, version.removed) == (1, 1, 1)
    assert version.report["within"] == [JINAN]
    assert await names(database) == {"a": "甲二", "c": "丙", "d": "丁", "e": "戊", "n": "无处"}
    await roll_back(database, town.id, 1, by="li")
    assert await names(database) == await names(database, 1)


async def test_several_parts_are_replaced_together(database: Database, town: Layer) -> None:
    staged = await staged_of(database, town, *shops(JINAN, c="丙迁"))
    await publish(database, staged, by="li", within=[JINAN, YUAN])
    assert await names(database) == {"c": "丙迁", "n": "无处"}


async def test_a_partial_delivery_within_a_part_removes_nothing(database: Database, town: Layer) -> None:
    staged = await staged_of(database, town, *shops(JINAN, e="戊"))
    assert (await compare(database, staged, partial=True, within=[JINAN]))[:3] == (1, 0, 0)
    scope = scope_for(SYSTEM, town)
    assert await staged_changes(database, staged, scope, "removed", partial=True, within=[JINAN]) == []


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([*shops(JINAN, a="甲"), *shops(YUAN, x="外")], "x"),
        ([*shops(JINAN, a="甲"), {"code": "y"}], "y"),
        (shops(JINAN, c="丙"), "c"),
        (shops(JINAN, n="无处"), "n"),
    ],
)
async def test_rows_of_other_parts_are_refused_by_name_and_nothing_changes(
    database: Database, town: Layer, rows: list[dict[str, object]], named: str
) -> None:
    before = await names(database)
    for act in (compare, publish):
        staged = await staged_of(database, town, *rows)
        with pytest.raises(BadData) as refused:
            await act(database, staged, within=[JINAN], **({"by": "li"} if act is publish else {}))  # type: ignore[operator]
        assert refused.value.facts["keys"] == [named]
    assert await names(database) == before


async def test_rows_said_to_be_gone_are_removed_and_no_others(database: Database, town: Layer) -> None:
    staged = replace(
        await staged_of(database, town, *shops(JINAN, a="甲二")), removes=("b", "d", "nobody", "a")
    )
    assert (await compare(database, staged, partial=True))[:3] == (0, 1, 2)
    scope = scope_for(SYSTEM, town)
    gone = await staged_changes(database, staged, scope, "removed", partial=True)
    assert [row.key for row in gone] == ["b", "d"]
    with pytest.raises(BadData, match="d"):
        await compare(database, staged, within=[JINAN])
    await publish(database, staged, by="li", partial=True)
    assert await names(database) == {"a": "甲二", "c": "丙", "n": "无处"}


async def test_publishers_of_different_districts_at_once_leave_each_others_work(
    database: Database, town: Layer
) -> None:
    rows = {code: shops(code, **{f"{code}-{n}": "新" for n in range(20)}) for code in (JINAN, YUAN, SHU)}
    stages = {code: await staged_of(database, town, *found) for code, found in rows.items()}
    made = await asyncio.gather(*(publish_as_seen(database, one, code, 1) for code, one in stages.items()))
    assert sorted(made) == [2, 3, 4]
    expected = {str(row["code"]) for found in rows.values() for row in found} | {"n"}
    assert set(await names(database)) == expected
    assert (await get_layer(database, town.id)).feature_count == len(expected)


async def test_the_second_of_two_publishers_of_one_district_hears_what_moved(
    database: Database, town: Layer
) -> None:
    stages = [await staged_of(database, town, *shops(JINAN, a="甲", **{k: "新"})) for k in ("x", "y")]
    answers = await asyncio.gather(
        *(publish_as_seen(database, one, JINAN, 1) for one in stages), return_exceptions=True
    )
    assert [type(answer) for answer in answers].count(Conflict) == 1
    [late] = [answer for answer in answers if isinstance(answer, Conflict)]
    [done] = [key for key, answer in zip(("x", "y"), answers, strict=True) if answer == 2]
    assert (late.facts["versions"], late.facts["keys"], late.facts["moved"]) == ([2], ["b", done], 2)
    assert set(await names(database)) == {"a", "c", "d", "n", done}


async def publish_as_seen(database: Database, staged: Staged, code: str, seen: int) -> int:
    async with database.begin() as connection:
        [version] = await publish_in(
            connection, [(staged, {})], by=code, within=[code], seen={staged.layer.id: seen}
        )
    return version.number


async def test_rows_that_came_into_or_left_the_part_count_as_moved(database: Database, town: Layer) -> None:
    ours = await staged_of(database, town, *shops(JINAN, a="甲", b="乙二"))
    moves = batch(*shops(YUAN, a="甲"), *shops(JINAN, c="丙"), *shops(YUAN, d="丁二"))
    await publish(database, await stage(database, town, [moves]), by="wang", partial=True)
    with pytest.raises(Conflict) as refused:
        await publish_as_seen(database, ours, JINAN, 1)
    assert refused.value.facts["keys"] == ["a", "c"]


@pytest.mark.parametrize(
    "code", ["", "34150", "金安区", "341502%", "３４１５０２", "34150200", "341502001001001001"]
)
async def test_what_is_no_code_is_refused(database: Database, code: str) -> None:
    layer = shop_layer()
    with pytest.raises(BadRequest) as refused:
        in_part(layer, rows_table(layer), [code])
    assert refused.value.facts["field"] == "within"


def test_a_layer_that_does_not_say_where_its_rows_are_cannot_be_replaced_in_part() -> None:
    known = {layer.id: layer for layer in known_layers()}
    for layer_id, code in (("road", JINAN), ("pipe_line", f"{JINAN}001"), ("district", f"{JINAN}001")):
        with pytest.raises(BadRequest, match="no field"):
            in_part(known[layer_id], rows_table(known[layer_id]), [code])


async def test_codes_of_every_level_are_found_in_the_field_of_their_level_or_a_finer_one(
    database: Database,
) -> None:
    codes = ("district_code", "street_code", "community_code", "grid_code")
    fields = tuple(Field(n, Text(n, n)) for n in ("code", "name", *codes))
    layer = await register(database, shop_layer(fields=fields, search_fields=(), time_field=None))
    grid = "341502001001001"
    rows: list[dict[str, object]] = [
        {"code": "1", "district_code": grid[:6]},
        {"code": "2", "street_code": grid[:9]},
        {"code": "3", "community_code": grid[:12]},
        {"code": "4", "grid_code": grid},
        {"code": "5", "grid_code": "341503001001001"},
    ]
    await publish(database, await staged_of(database, layer, *rows), by="li")
    layer = await get_layer(database, layer.id)
    for code, found in ((grid[:6], "1234"), (grid[:9], "234"), (grid[:12], "34"), (grid, "4")):
        nothing = replace(await stage(database, layer, []), removes=())
        gone = await staged_changes(
            database, nothing, scope_for(SYSTEM, layer), "removed", partial=False, within=[code]
        )
        assert "".join(row.key for row in gone) == found
