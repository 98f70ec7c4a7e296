"""Boxes, times and reference systems as OGC API – Features writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from api.ogc_parameters import CRS84, STORAGE_CRS, Interval, parse_bbox, parse_crs, parse_datetime
from layers.errors import BadRequest
from layers.model import BoundingBox, Layer, Text

CITY = Layer("a", Text("", ""), "other", "Point", (), bounds=BoundingBox(116, 31, 117, 32))
FIJI = Layer("b", Text("", ""), "other", "Point", (), bounds=BoundingBox(-180, -20, 180, -15))


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
    assert parse_bbox(text, crs, CITY) == BoundingBox(116, 31, 117, 32)


def test_a_box_in_web_mercator_is_turned_into_degrees() -> None:
    box = parse_bbox("12913060,3632749,13024380,3763310", CRS_3857, CITY)
    assert box == pytest.approx((116, 31, 117, 32), abs=0.01)


CRS_3857 = "http://www.opengis.net/def/crs/EPSG/0/3857"


def test_a_box_across_180_degrees_is_cut_to_the_side_of_the_layer() -> None:
    assert parse_bbox("100,0,-170,40", CRS84, CITY) == BoundingBox(100, 0, 180, 40)
    assert parse_bbox("170,0,-170,40", CRS84, CITY) is None


def test_a_box_across_180_degrees_is_refused_for_a_layer_on_both_sides() -> None:
    with pytest.raises(BadRequest):
        parse_bbox("170,-30,-170,0", CRS84, FIJI)


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "a,b,c,d", "nan,1,2,3", "inf,1,2,3"),
        *("116,32,117,31", "-181,0,0,1", "0,-91,1,1", "31,116,32,117", "1;DROP TABLE,2,3,4", "1\x00,2,3,4"),
    ],
)
def test_a_bad_box_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_bbox(text, CRS84, CITY)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None),
        ("2026-01-02T11:04:05+08:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None),
    ],
)
def test_an_instant_is_an_interval_of_no_length(text: str, start: datetime, end: None) -> None:
    assert parse_datetime(text) == Interval(start, start)


def test_a_date_is_its_whole_day() -> None:
    found = parse_datetime("2026-01-02")
    assert found.start == datetime(2026, 1, 2, tzinfo=UTC)
    assert found.end == datetime(2026, 1, 2, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize("text", ["../2026-01-02", "/2026-01-02", "2026-01-02/..", "2026-01-02/", "../.."])
def test_an_interval_may_be_open(text: str) -> None:
    assert None in parse_datetime(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "today", "2026", "2026-13-01", "2026-02-30", "2026-01-02T03:04:05", "2026-01-02/2026-01-01"),
        *("2026-01-01/2026-01-02/2026-01-03", "0000-00-00T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_a_bad_time_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_datetime(text)


def test_a_reference_system_we_do_not_offer_is_refused() -> None:
    assert parse_crs(f"[{CRS84}]", "crs") == CRS84
    with pytest.raises(BadRequest):
        parse_crs("EPSG:4490", "crs")
