"""Who may change a layer: publishers of its department, of its districts, of everything."""

from __future__ import annotations

import pytest

from layers.access import ANONYMOUS, SYSTEM, Viewer, require_change, require_whole
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.errors import LoginNeeded, NotAllowed
from layers.publish import publish, roll_back, stage
from tests.layers.specimens import batch, shop_layer

JINAN, YUAN = "341502", "341503"
SHOPS = shop_layer(owner="CG01")
PUBLISHER = frozenset({"publisher"})


def viewer(**who: object) -> Viewer:
    return Viewer("li", is_logged_in=True, **{"roles": PUBLISHER, **who})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("who", "owner", "districts"),
    [
        (viewer(), "CG01", ()),
        (viewer(department="CG01"), "CG01", ()),
        (viewer(department="ZJ01"), "CG01", None),
        (viewer(department="ZJ01"), "", ()),
        (viewer(department="ZJ01", roles=frozenset({"admin"})), "CG01", ()),
        (viewer(districts=(JINAN,)), "CG01", (JINAN,)),
        (viewer(department="ZJ01", districts=(JINAN,)), "CG01", None),
        (viewer(districts=(JINAN,), roles=frozenset({"admin"})), "CG01", ()),
        (viewer(department="CG01", roles=frozenset({"dispatcher"})), "CG01", None),
        (SYSTEM, "CG01", ()),
        (ANONYMOUS, "", None),
    ],
)
def test_a_layer_is_changed_by_those_it_belongs_to(
    who: Viewer, owner: str, districts: tuple[str, ...] | None
) -> None:
    layer = shop_layer(owner=owner)
    if districts is None:
        with pytest.raises(NotAllowed):
            require_change(who, layer)
        with pytest.raises(NotAllowed):
            require_whole(who, layer)
        return
    assert require_change(who, layer) == districts
    if districts:
        with pytest.raises(NotAllowed, match="as a whole"):
            require_whole(who, layer)
    else:
        require_whole(who, layer)


def test_nobody_logged_in_is_asked_to() -> None:
    with pytest.raises(LoginNeeded):
        require_change(ANONYMOUS, SHOPS)


def test_rows_without_a_district_are_not_changed_by_somebody_of_one() -> None:
    with pytest.raises(NotAllowed, match="no district field"):
        require_change(viewer(districts=(JINAN,)), shop_layer(district_field=None))


async def test_rolling_back_stays_within_the_publishers_districts(database: Database) -> None:
    layer = await register(database, SHOPS)
    both = [{"code": "a", "district_code": JINAN}, {"code": "b", "district_code": YUAN}]
    for rows in (
        both,
        [{**both[0], "name": "甲"}, both[1]],
        [{**both[0], "name": "甲"}, {**both[1], "name": "乙"}],
        [{**both[0], "name": "甲三"}, {**both[1], "name": "乙"}],
        [{**both[0], "name": "甲三", "district_code": YUAN}, {**both[1], "name": "乙"}],
    ):
        await publish(database, await stage(database, layer, [batch(*rows)]), by="li")
    for number in (1, 2, 3, 4):
        # Back to 4 or 3 the row a comes back from the other district; to 2 and 1 the row b changes too.
        with pytest.raises(NotAllowed) as refused:
            await roll_back(database, layer.id, number, by="li", districts=(JINAN,))
        assert refused.value.facts["districts"] == [JINAN]
    assert (await get_layer(database, layer.id)).version == 5
    assert (await roll_back(database, layer.id, 4, by="li", districts=(JINAN, YUAN))).number == 6
    assert (await roll_back(database, layer.id, 3, by="li", districts=(JINAN,))).number == 7
    with pytest.raises(NotAllowed):
        await roll_back(database, layer.id, 1, by="li", districts=(JINAN,))
