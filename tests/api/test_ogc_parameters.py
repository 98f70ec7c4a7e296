"""Boxes and reference systems as OGC API – Features writes them."""

from __future__ import annotations

import orjson
import pytest

from api.ogc_parameters import CRS84, STORAGE_CRS, epsg_of, parse_bbox, parse_crs
from api.output_systems import PLAIN, texts_in
from gis.outgoing import epsg_system
from layers.errors import BadRequest
from layers.model import BoundingBox

CRS_3857 = "http://www.opengis.net/def/crs/EPSG/0/3857"


@pytest.mark.parametrize(
    ("text", "crs"),
    [
        ("116,31,117,32", CRS84),
        ("116, 31, 117, 32", CRS84),
        ("116,31,0,117,32,99", CRS84),
        ("31,116,32,117", STORAGE_CRS),
    ],
)
def test_a_box_is_read_longitude_first(text: str, crs: str) -> None:
    assert parse_bbox(text, crs) == BoundingBox(116, 31, 117, 32)


def test_a_box_in_web_mercator_is_turned_into_degrees() -> None:
    box = parse_bbox("12913060,3632749,13024380,3763310", CRS_3857)
    assert box == pytest.approx((116, 31, 117, 32), abs=0.01)


def test_a_box_may_cross_180_degrees() -> None:
    assert parse_bbox("170,0,-170,40") == BoundingBox(170, 0, -170, 40)


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "a,b,c,d", "nan,1,2,3", "inf,1,2,3"),
        *("116,32,117,31", "-181,0,0,1", "0,-91,1,1", "31,116,32,117", "1;DROP TABLE,2,3,4", "1\x00,2,3,4"),
    ],
)
def test_a_bad_box_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_bbox(text)


def test_a_reference_system_we_do_not_offer_is_refused() -> None:
    assert parse_crs(f"[{CRS84}]", "crs") == CRS84
    with pytest.raises(BadRequest):
        parse_crs("EPSG:4490", "crs")


POINT = '{"type":"Point","coordinates":[116.5,31.74]}'


@pytest.mark.parametrize(
    ("crs", "coordinates"),
    [(CRS84, [116.5, 31.74]), (STORAGE_CRS, [31.74, 116.5]), (CRS_3857, [12968720.68, 3729229.77])],
)
def test_a_geometry_is_given_in_the_system_asked_for(crs: str, coordinates: list[float]) -> None:
    code = epsg_of(crs)
    [text, nothing] = texts_in([POINT, None], epsg_system(code) if code else PLAIN, own_order=True)
    assert nothing is None
    assert orjson.loads(text or "")["coordinates"] == pytest.approx(coordinates, abs=1)
