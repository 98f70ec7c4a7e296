"""From a point to its grid in words, following the versions of the map."""

from __future__ import annotations

import asyncio

import pytest
import shapely

from gis.measures import distance_m
from grid.locate import Locator, Named
from layers.access import ANONYMOUS, Viewer
from layers.catalogue import get_layer
from layers.db import Database
from layers.publish import withdraw
from tests.grid.city import COMMUNITY, SIZE, SOUTH, WEST, cell, grid_rows, middle, put


async def test_a_point_is_in_its_grid_community_street_and_district(city: Database) -> None:
    async with Locator(city) as locator:
        found = locator.now.locate(*middle(1, 1))
        assert found.grid == Named(f"{COMMUNITY}004", "网格004")
        assert found.community == Named(COMMUNITY, "迎宾社区")
        assert found.street == Named(COMMUNITY[:9], "中市街道")
        assert found.district == Named("341502", "金安区")
        assert (found.nearest, found.version) == (None, 1)


async def test_without_base_layers_names_come_from_the_code_table_or_are_the_code(
    database: Database,
) -> None:
    await put(database, "unit_grid", *grid_rows())
    async with Locator(database) as locator:
        found = locator.now.locate(*middle(0, 0))
        assert found.district == Named("341502", "金安区")
        assert found.street == Named("341502001", "中市街道")
        assert found.community == Named(COMMUNITY, COMMUNITY)


async def test_a_point_outside_names_the_nearest_grid_and_the_metres(city: Database) -> None:
    async with Locator(city) as locator:
        _, lat = middle(0, 0)
        found = locator.now.locate(WEST - SIZE, lat)
        assert found.grid is None
        assert found.nearest is not None
        assert found.nearest.grid.code == f"{COMMUNITY}001"
        assert found.nearest.distance_m == pytest.approx(
            float(distance_m(WEST - SIZE, lat, WEST, lat)), abs=0.01
        )


async def test_with_no_grid_published_every_point_is_outside(database: Database) -> None:
    async with Locator(database) as locator:
        found = locator.now.locate(116.5, 31.74)
        assert (found.grid, found.nearest, found.version) == (None, None, 0)
        assert locator.now.locate_many([116.5], [31.74]).tolist() == [-1]


async def test_the_index_follows_a_new_version_and_a_taken_one_stays_as_it_was(city: Database) -> None:
    async with Locator(city) as one, Locator(city) as other:
        before = one.now
        grids, shapes = grid_rows()
        shapes[0], shapes[1] = shapes[1], shapes[0]
        assert await put(city, "unit_grid", grids, shapes) == 2
        for locator in (one, other):
            after = await locator.wait_for_version(2)
            assert after.locate(*middle(0, 0)).grid.code == f"{COMMUNITY}002"
        assert before.locate(*middle(0, 0)).grid.code == f"{COMMUNITY}001"
        assert before.version == 1


async def test_new_names_of_places_are_followed_too(city: Database) -> None:
    async with Locator(city) as locator:
        half = shapely.box(WEST, SOUTH, WEST + 2 * SIZE, SOUTH + 2 * SIZE)
        await put(city, "community", [{"code": COMMUNITY, "name": "九墩塘社区"}], [half], partial=True)
        async with asyncio.timeout(5):
            while locator.now.locate(*middle(0, 0)).community.name != "九墩塘社区":
                await asyncio.sleep(0.01)


async def test_withdrawn_grids_are_no_grids(city: Database) -> None:
    async with Locator(city) as locator:
        await withdraw(city, "unit_grid", by="test")
        async with asyncio.timeout(5):
            while locator.now.locate(*middle(0, 0)).grid is not None:
                await asyncio.sleep(0.01)


async def test_a_notice_that_was_missed_is_made_up_by_comparing(city: Database) -> None:
    async with Locator(city) as locator:
        assert await locator.refresh() is False
        await put(city, "unit_grid", [{"code": f"{COMMUNITY}009"}], [cell(9, 9)], partial=True)
        changed = await locator.refresh()
        found = (await locator.wait_for_version(2)).locate(*middle(9, 9))
        assert changed or found.version == 2
        assert found.grid == Named(f"{COMMUNITY}009", f"{COMMUNITY}009")


async def test_a_viewer_limited_to_a_district_knows_only_its_grids(city: Database) -> None:
    limited = Viewer("li", roles=frozenset({"inspector"}), districts=("341502",), is_logged_in=True)
    async with Locator(city) as locator:
        view = await locator.for_viewer(limited)
        assert view.locate(*middle(1, 0)).grid.code == f"{COMMUNITY}003"
        beyond = view.locate(*middle(2, 0))
        assert beyond.grid is None
        assert beyond.nearest.grid.code == f"{COMMUNITY}003"
        assert (await locator.for_viewer(limited)) is view
        assert (await locator.for_viewer(ANONYMOUS)) is locator.now
        assert (await get_layer(city, "unit_grid")).version == view.version
