"""Places on their way out: there and back is the same place, and each system has its own order of axes."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from gis.crs import read_crs
from gis.local_systems import Datum, LocalSystem, Plane
from gis.outgoing import Outgoing, epsg_system, frame_system, gauss_zones, local_outgoing

PLACE = np.array([[116.5078, 31.7529], [116.4, 31.6]])
PLANE = LocalSystem("滁州", read_crs(4548), Plane(3_000_123.0, 400_000.0, 12.5, 1.00001, "north"), 0.05)
DATUM = LocalSystem("旧", read_crs(4214), Datum(-15.8, -154.4, -82.3, 0, 0, 0, 0, "position_vector"))
SYSTEMS = [
    *(epsg_system(code) for code in (4490, 4326, 3857, 4548, 4527, 4509, 4498)),
    *(frame_system("gcj02"), frame_system("bd09"), local_outgoing(PLANE), local_outgoing(DATUM)),
]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_there_and_back_is_the_same_place(system: Outgoing) -> None:
    assert system.back(system.forward(PLACE)) == pytest.approx(PLACE, abs=2e-9)


def test_gauss_zones_are_northing_first_in_their_own_order_and_easting_first_in_ours() -> None:
    place = np.array([shapely.Point(116.5078, 31.7529), None], dtype=object)
    own, nothing = epsg_system(4548).moved(place, own_order=True)
    assert nothing is None
    assert shapely.get_coordinates(own)[0] == pytest.approx([3514558.2507, 453365.918], abs=1e-3)
    plain, _ = epsg_system(4548).moved(place, own_order=False)
    assert shapely.get_coordinates(plain)[0] == pytest.approx([453365.918, 3514558.2507], abs=1e-3)


def test_published_numbers_of_the_web_maps_come_out() -> None:
    place = np.array([shapely.Point(116.5078, 31.7529)], dtype=object)
    [shifted] = frame_system("gcj02").moved(place, own_order=True)
    assert shapely.get_coordinates(shifted)[0] == pytest.approx([116.512923143, 31.750867161], abs=1e-9)


def test_a_local_system_gives_away_neither_parameters_nor_its_way() -> None:
    told = repr(local_outgoing(PLANE))
    assert "3000123" not in told
    assert "12.5" not in told


def test_what_is_beyond_a_system_has_no_place_in_it() -> None:
    pole = np.array([shapely.Point(0, 95)], dtype=object)
    [lost] = epsg_system(3857).moved(pole, own_order=True)
    assert lost is None


def test_a_box_in_a_zone_holds_its_own_places() -> None:
    system = epsg_system(4548)
    east, north = system.forward(PLACE[:1])[0]
    west, south, far_east, far_north = system.box(east - 100, north - 100, east + 100, north + 100)
    assert west < 116.5078 < far_east
    assert south < 31.7529 < far_north
    assert far_east - west < 0.0025


def test_zones_are_those_that_reach_into_the_degrees() -> None:
    assert gauss_zones(116.4, 116.6) == (4548, 4527, 4509, 4498)
    assert gauss_zones(118.4, 118.6) == (4548, 4527, 4549, 4528, 4509, 4498)
    assert gauss_zones(-10, 5) == ()
