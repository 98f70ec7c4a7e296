"""The small parts of a report: classes, photos, case numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from grid.classes import read_class
from grid.numbers import case_number, day_in_china
from grid.photos import MAX_PHOTO_BYTES, accept, sniff
from layers.errors import BadRequest, TooMuch

JPEG = b"\xff\xd8\xff\xe0" + b"j" * 50
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 50
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 " + b"w" * 50


def test_photos_are_what_their_first_bytes_say() -> None:
    assert [photo.media_type for photo in accept([JPEG, PNG, WEBP])] == [
        "image/jpeg",
        "image/png",
        "image/webp",
    ]
    for fake in (b"", b"GIF89a", b"<svg onload=alert(1)>", b"RIFF....WAVE", JPEG[:2]):
        assert sniff(fake) is None
        with pytest.raises(BadRequest) as refused:
            accept([JPEG, fake])
        assert refused.value.facts["field"] == "photos[1]"


def test_the_same_photo_twice_is_one() -> None:
    assert [photo.content for photo in accept([JPEG, PNG, JPEG])] == [JPEG, PNG]


def test_photos_have_limits() -> None:
    assert len(accept([JPEG + bytes([n]) for n in range(9)])) == 9
    with pytest.raises(TooMuch):
        accept([JPEG + bytes([n]) for n in range(10)])
    with pytest.raises(TooMuch):
        accept([JPEG.ljust(MAX_PHOTO_BYTES + 1, b"x")])


def test_a_component_class_is_known_in_both_editions() -> None:
    lamp = read_class("0137")
    assert (lamp.code, lamp.title, lamp.kind) == ("01037", "路灯异常", "component")
    assert lamp == read_class("01037")
    assert lamp.component_codes == ("01037", "0137")


def test_a_matter_has_no_components() -> None:
    rubbish = read_class("06010")
    assert (rubbish.kind, rubbish.component_codes, rubbish.known) == ("event", (), True)


def test_a_citys_own_class_is_taken_but_not_known() -> None:
    assert (read_class("01999").kind, read_class("01999").known) == ("component", False)
    assert (read_class("06999").kind, read_class("06999").component_codes) == ("event", ())
    assert read_class("0504").known
    assert read_class("0504").component_codes == ("0504",)


@pytest.mark.parametrize("code", ["", "123", "123456", "abcde", "０１００１", "01001\n", "';--"])
def test_what_is_no_class_code_is_refused(code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_class(code)
    assert refused.value.facts["field"] == "class_code"


def test_a_case_number_is_district_day_and_sequence() -> None:
    assert case_number("341502", date(2026, 3, 1), 7) == "3415022026030100007"
    assert case_number(None, date(2026, 3, 1), 100000) == "00000020260301100000"


def test_the_day_of_a_case_is_the_day_in_china() -> None:
    assert day_in_china(datetime(2026, 2, 28, 16, 0, tzinfo=UTC)) == date(2026, 3, 1)
