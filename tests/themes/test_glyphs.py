"""Letters for other systems' maps, from a font made here: a square for A and for 中, a ring for O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from themes.glyphs import Lettering, find_faces, weight_of

WIDE = 0x4E2D


def square(pen: TTGlyphPen, low: int, high: int, *, inward: bool = False) -> None:
    corners = [(low, low), (low, high), (high, high), (high, low)]
    pen.moveTo(corners[0])
    for corner in corners[:0:-1] if inward else corners[1:]:
        pen.lineTo(corner)
    pen.closePath()


def make_font(file: Path, characters: str = "A中O ") -> None:
    """1,000 units to the em; each square from 100 to 600, each letter 700 wide."""
    builder = FontBuilder(1000, isTTF=True)
    names = [".notdef", *(f"u{ord(c):04X}" for c in characters)]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"u{ord(c):04X}" for c in characters})
    shapes = {}
    for name in names:
        pen = TTGlyphPen(None)
        if name != "u0020":
            square(pen, 100, 600)
        if name == "u004F":
            square(pen, 200, 500, inward=True)
        shapes[name] = pen.glyph()
    builder.setupGlyf(shapes)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (700, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    file.parent.mkdir(parents=True, exist_ok=True)
    builder.save(file)


class Letter(NamedTuple):
    field: np.ndarray[Any, Any]
    left: int
    top: int
    advance: int


def messages(content: bytes) -> Iterator[tuple[int, Any]]:
    """Fields of a protocol buffers message: numbers, and bytes of what has a length."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(content):
        tag = number()
        if tag & 7 == 2:
            length = number()
            at += length
            yield tag >> 3, content[at - length : at]
        else:
            yield tag >> 3, number()


def read(content: bytes) -> dict[int, Letter]:
    """As MapLibre's reader does."""
    ((_, stack),) = messages(content)
    letters = {}
    for field, value in messages(stack):
        if field == 3:
            told = dict(messages(value))
            shape = (told[4] + 6, told[3] + 6)
            bitmap = np.frombuffer(told.get(2, b""), np.uint8)
            unzig = [n // 2 if n % 2 == 0 else -(n + 1) // 2 for n in (told[5], told[6])]
            letters[told[1]] = Letter(bitmap.reshape(shape) if bitmap.size else bitmap, *unzig, told[7])
    return letters


@pytest.fixture
def lettering(tmp_path: Path) -> Iterator[Callable[..., Lettering]]:
    made: list[Lettering] = []

    def make(**files: str) -> Lettering:
        for name, characters in files.items():
            make_font(tmp_path / "deep" / f"{name}.ttf", characters)
        made.append(Lettering(find_faces([tmp_path])))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_letter_is_a_distance_field_in_a_border_of_three(lettering: Callable[..., Lettering]) -> None:
    letters = read(lettering(NotoSans="A中O ").glyphs("Regular", 0))
    assert set(letters) == {ord(c) for c in "AO "}
    a = letters[ord("A")]
    assert a.field.shape == (13 + 6, 13 + 6), "500 of 1,000 units of 24 pixels, from 2.4 to 14.4"
    assert (a.left, a.top, a.advance) == (2, 15 - 26, 17)
    assert a.field[9, 9] == 255
    assert a.field[0, 0] == pytest.approx(255 * (0.75 - 3.9 / 8), abs=12)
    # Rows and columns 3 to 15 hold the square; its left edge runs at 2.4, 0.4 into the first of them.
    assert a.field[9, 3] == pytest.approx(255 * (0.75 + 0.1 / 8), abs=1)
    assert letters[ord("O")].field[9, 9] < 191, "the ring is empty in its middle"


def test_a_space_has_a_width_and_no_ink(lettering: Callable[..., Lettering]) -> None:
    space = read(lettering(NotoSans="A ").glyphs("Regular", 0))[32]
    assert (space.field.size, space.advance) == (0, 17)


def test_what_a_font_lacks_comes_from_the_next(lettering: Callable[..., Lettering]) -> None:
    own = lettering(DejaVuSans="AB", NotoSansCJK="A中")
    assert [face.file.stem for face in own.faces] == ["NotoSansCJK", "DejaVuSans"]
    assert set(read(own.glyphs("Regular", 0))) == {ord("A"), ord("B")}
    assert set(read(own.glyphs("Regular", WIDE // 256 * 256))) == {WIDE}
    assert read(own.glyphs("Regular", 0x3000)) == {}


def test_a_weight_that_is_not_there_is_the_regular_one_with_more_ink(
    lettering: Callable[..., Lettering],
) -> None:
    own = lettering(NotoSans="A")
    regular, medium, bold = (read(own.glyphs(w, 0))[65] for w in ("Regular", "Medium", "Bold"))
    assert regular.field[9].sum() < medium.field[9].sum() < bold.field[9].sum()
    own = lettering(**{"NotoSans-Bold": "A"})
    assert read(own.glyphs("Bold", 0))[65].field.sum() < bold.field.sum(), "the bold font as it is"


def test_without_fonts_and_with_broken_ones_nothing_is_drawn(
    tmp_path: Path, lettering: Callable[..., Lettering]
) -> None:
    assert find_faces([tmp_path / "nowhere"]) == ()
    (tmp_path / "Arial.ttf").write_bytes(b"no font")
    (tmp_path / "DejaVuSansMono.ttf").write_bytes(b"not a plain one")
    own = lettering()
    assert [face.file.name for face in own.faces] == ["Arial.ttf"]
    assert read(own.glyphs("Regular", 0)) == {}


@pytest.mark.parametrize("start", [1, -256, 0x110000])
def test_only_whole_ranges_are_drawn(start: int, lettering: Callable[..., Lettering]) -> None:
    with pytest.raises(ValueError, match="no range"):
        lettering().glyphs("Regular", start)


def test_the_weight_is_that_of_the_first_name() -> None:
    assert weight_of("Noto Sans Bold,Arial") == "Bold"
    assert weight_of("Noto Sans Medium") == "Medium"
    assert weight_of("Arial,Noto Sans Bold") == "Regular"
