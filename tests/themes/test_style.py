"""Styles and themes as values: every known drawing is whole, and a stranger's layer is drawn too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from layers.catalogue import known_layers
from layers.model import GeometryType, Layer, Text
from themes.catalogue import known_themes, themes_of
from themes.raster_style import Scheme
from themes.style import KNOWN, build_style, drawing_of

LAYERS = {layer.id: layer for layer in known_layers()}


def stranger(layer_id: str, geometry_type: GeometryType = "Point", theme: str = "other") -> Layer:
    return Layer(layer_id, Text("外来", "Stranger"), theme, geometry_type, ())


def style_of(layers: dict[str, Layer], scheme: Scheme = "light", most: int = 16) -> dict[str, Any]:
    def tiles_url(ids: Sequence[str]) -> str:
        return ",".join(ids)

    return build_style(themes_of(layers.values()), layers, scheme, tiles_url, most)


def test_every_known_layer_is_in_a_theme() -> None:
    assert {layer_id for theme in known_themes() for layer_id in theme.layers} >= set(LAYERS)


def test_every_layer_a_theme_names_is_known() -> None:
    assert {layer_id for theme in known_themes() for layer_id in theme.layers} <= set(LAYERS)


@pytest.mark.parametrize("layer_id", sorted(LAYERS))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_known_layer_has_a_drawing_with_every_colour_it_names(layer_id: str, scheme: Scheme) -> None:
    assert (KNOWN / f"{layer_id}.style.json").is_file()
    style = style_of({layer_id: LAYERS[layer_id]}, scheme)
    assert len(style["layers"]) > 1
    assert '"@' not in repr(style).replace("'@", '"@')
    assert style["metadata"]["onemap:legend"][layer_id]


def test_style_layers_stand_in_their_order_and_have_names_of_their_own() -> None:
    layers = style_of(LAYERS)["layers"][1:]
    orders = [layer["metadata"]["onemap:order"] for layer in layers]
    assert orders == sorted(orders)
    assert len({layer["id"] for layer in layers}) == len(layers)


@pytest.mark.parametrize(
    ("geometry_type", "kinds"),
    [
        ("Point", {"circle"}),
        ("MultiLineString", {"line"}),
        ("MultiPolygon", {"fill", "line"}),
        ("Geometry", {"fill", "line", "circle"}),
    ],
)
def test_a_layer_without_a_drawing_gets_one_for_its_geometry(
    geometry_type: GeometryType, kinds: set[str]
) -> None:
    layer = stranger("bus_stops", geometry_type)
    assert {d["type"] for d in drawing_of(layer)["layers"]} == kinds
    assert drawing_of(layer) == drawing_of(layer)


def test_a_stranger_named_like_a_known_layer_does_not_take_its_drawing() -> None:
    assert drawing_of(stranger("component"))["layers"][0]["id"] == "component-dot"
    assert drawing_of(stranger("component")) != drawing_of(LAYERS["component"])


def test_a_theme_of_many_layers_asks_for_several_tiles() -> None:
    layers = {f"l{n:02}": stranger(f"l{n:02}") for n in range(5)}
    sources = style_of(layers, most=2)["sources"]
    assert [source["url"] for source in sources.values()] == ["l00,l01", "l02,l03", "l04"]


def test_layers_no_theme_names_come_last_in_their_own_theme_or_in_other() -> None:
    layers = [*LAYERS.values(), stranger("bins", theme="grid"), stranger("trees", theme="nowhere")]
    held = {theme.id: theme.layers for theme in themes_of(layers)}
    assert held["grid"][-1] == "bins"
    assert held["other"] == ("trees",)


def test_a_theme_without_layers_is_left_out() -> None:
    assert [theme.id for theme in themes_of([LAYERS["pipe_line"]])] == ["pipe"]


def test_a_style_of_nothing_is_a_ground() -> None:
    assert [layer["id"] for layer in style_of({})["layers"]] == ["background"]
