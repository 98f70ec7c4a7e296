"""The symbols of the styles: every one that a style names, as MapLibre reads them."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from themes.outlines import depth_of_fill, depth_of_stroke, lines_of_path
from themes.raster_style import Scheme
from themes.sprites import RATIOS, png, sheet
from themes.style import KNOWN

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def pixels_of(content: bytes) -> NDArray[np.uint8]:
    with rasterio.Env(), MemoryFile(content) as file, file.open() as image:
        return np.moveaxis(image.read(), 0, 2)


def picture(scheme: Scheme, ratio: int, name: str) -> NDArray[np.uint8]:
    found = sheet(scheme, ratio)
    at = found.index[name]
    return pixels_of(found.png)[at["y"] : at["y"] + at["height"], at["x"] : at["x"] + at["width"]]


def texts_in(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(texts_in, inner))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_every_symbol_that_a_drawing_names_stands_in_the_sheet(scheme: Scheme, ratio: int) -> None:
    named = set()
    for file in KNOWN.glob("*.style.json"):
        drawing = json.loads(file.read_text("utf-8"))
        icons = [layer.get("layout", {}).get("icon-image") for layer in drawing["layers"]]
        named |= {t for t in texts_in([icons, drawing["legend"]]) if re.match(r"(component|node|flow)-", t)}
    index = sheet(scheme, ratio).index
    assert len(named) > 30
    assert named <= set(index)
    height, width = pixels_of(sheet(scheme, ratio).png).shape[:2]
    for place in index.values():
        assert place["x"] + place["width"] <= width
        assert place["y"] + place["height"] <= height
        assert place["pixelRatio"] == ratio


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_component_is_a_light_drawing_on_a_disc_in_the_colour_of_its_kind() -> None:
    tree = picture("light", 2, "component-tree")
    assert tuple(tree[0, 0]) == (0, 0, 0, 0)
    assert tuple(tree[26, 6]) == (0x3C, 0x8F, 0x3C, 255)
    assert tuple(tree[20, 26]) == (255, 255, 255, 255)
    assert picture("light", 1, "component-tree").shape == (26, 26, 4)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_the_style_colours_is_a_distance_field_with_191_on_the_edge() -> None:
    arrow = picture("dark", 2, "flow-arrow")[..., 3]
    assert sheet("dark", 2).index["flow-arrow"]["sdf"]
    assert arrow[22].max() > 200
    row = arrow[22].astype(int)
    edge = int(np.argmax(row > 191))
    assert row[edge - 1] <= 191 < row[edge]
    assert 8 <= row[edge] - row[edge - 1] <= 17, "sixteen pixels of this picture from 0 to 255"


def test_a_pngs_pixels_come_back(recwarn: pytest.WarningsRecorder) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        assert (pixels_of(png(pixels)) == pixels).all()


def test_a_path_is_as_deep_as_its_ink() -> None:
    at = np.array([[5.0, 5.0], [0.0, 5.0], [12.0, 5.0], [5.0, 4.0]])
    square = lines_of_path("M0 0h10v10h-10z")
    assert depth_of_fill(square, at) == pytest.approx([5, 0, -2, 4])
    assert depth_of_stroke(square, 2.0, at) == pytest.approx([-4, 1, -1, -3])
    ring = lines_of_path("M0 0h10v10h-10zM3 3v4h4v-4z")
    assert depth_of_fill(ring, at) == pytest.approx([-2, 0, -2, -1]), "wound the other way it is a hole"
    assert (depth_of_fill((), at) < 0).all()
    circle = lines_of_path("M12 8a4 4 0 1 0 .01 0z")
    assert depth_of_fill(circle, np.array([[12.0, 12.0]])) == pytest.approx([4], abs=0.1)
