"""Raster layers in a MapLibre style: pictures, heights as colours, shade and ground."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layers.model import BoundingBox, Layer, RasterBand, RasterFile, RasterMeaning, Text
from tests.tiles.town import shop_layer
from themes.catalogue import themes_of
from themes.raster_style import Scheme
from themes.style import build_style


def raster_layer(layer_id: str, meaning: RasterMeaning) -> Layer:
    band = RasterBand("1", "float32", 0, 0, 9, 9)
    box = BoundingBox(116, 31, 117, 32)
    file = RasterFile(1, "a.tif", "2024", meaning, 9, 9, 1.0, "", (band,), box, 0)
    return Layer(
        layer_id, Text("甲", "a"), "imagery", "Geometry", (), kind="raster", status="published", version=1,
        bounds=box, rasters=(file,),
    )  # fmt: skip


def style_of(*layers: Layer, scheme: Scheme = "light") -> dict:  # type: ignore[type-arg]
    by_id = {layer.id: layer for layer in layers}
    return build_style(themes_of(layers), by_id, scheme, lambda ids: f"/tiles/{','.join(ids)}.json")


def test_an_image_is_one_picture_under_the_map_and_takes_no_part_in_vector_tiles() -> None:
    shops = replace(shop_layer(), status="published", version=1)
    style = style_of(shops, raster_layer("photo", "image"))
    assert style["sources"]["raster:photo"] == {
        "type": "raster",
        "url": "/tiles/photo.json?size=512&format=webp",
        "tileSize": 512,
    }
    vector = [source["url"] for source in style["sources"].values() if source["type"] == "vector"]
    assert vector == ["/tiles/shop.json"]
    drawn = [layer["id"] for layer in style["layers"]]
    assert drawn.index("photo-picture") < drawn.index("shop-dot")
    (picture,) = [layer for layer in style["layers"] if layer["id"] == "photo-picture"]
    assert picture["metadata"] == {
        "onemap:order": 26, "onemap:layer": "photo", "onemap:theme": "imagery"
    }  # fmt: skip
    assert style["center"] == [116.5, 31.5]
    assert style["metadata"]["onemap:legend"]["photo"][0]["title"] == {"zh": "甲", "en": "a"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heights_are_coloured_shaded_and_ground_for_3d(scheme: Scheme) -> None:
    style = style_of(raster_layer("dem", "elevation"), scheme=scheme)
    terrain = style["sources"]["raster:dem:terrain"]
    assert (terrain["type"], terrain["encoding"], terrain["tileSize"]) == ("raster-dem", "terrarium", 512)
    assert "render=terrarium" in terrain["url"]
    types = {layer["id"]: (layer["type"], layer.get("source")) for layer in style["layers"]}
    assert types["dem-shade"] == ("hillshade", "raster:dem:shade")
    (shade,) = [layer for layer in style["layers"] if layer["id"] == "dem-shade"]
    assert shade["metadata"]["onemap:terrain"] == "raster:dem:terrain"
    assert types["dem-colour"] == ("raster", "raster:dem")


def test_codes_are_not_smoothed_by_the_client() -> None:
    style = style_of(raster_layer("land", "classes"))
    assert style["layers"][-1]["paint"]["raster-resampling"] == "nearest"
    assert "png" in style["sources"]["raster:land"]["url"]


def test_a_raster_layer_of_which_nothing_is_published_is_not_drawn() -> None:
    empty = replace(raster_layer("photo", "image"), rasters=(), version=0, bounds=None)
    assert style_of(empty)["sources"] == {}
