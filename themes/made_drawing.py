"""The drawing of a layer that has none of its own: by its geometry type, in a colour that its id chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from layers.model import Layer
from themes.raster_style import Scheme

HUES: Mapping[Scheme, tuple[str, ...]] = {
    "light": ("#2f6fdb", "#0f8b8d", "#b7791f", "#7c4dbd", "#c0392b", "#3c8f3c", "#b03a82", "#52606d"),
    "dark": ("#5b9bff", "#2cc0bf", "#e0a63f", "#a98bea", "#ff6b5e", "#5fc35f", "#e070b4", "#9aa5b3"),
}
"""Colours of layers without a drawing of their own: told apart from each other and from the ground."""
ORDER: Mapping[str, int] = {"fill": 33, "line": 45, "circle": 71}
"""Where a made drawing stands among the known ones: areas below roads' names, points above."""


def made_drawing(layer: Layer) -> Mapping[str, Any]:
    """Points as dots, lines as lines, areas as a light fill with an outline; mixed layers as all three."""
    fill: dict[str, Any] = {
        "id": f"{layer.id}-fill",
        "type": "fill",
        "paint": {"fill-color": "@ink", "fill-opacity": 0.22},
    }
    line: dict[str, Any] = {
        "id": f"{layer.id}-line",
        "type": "line",
        "layout": {"line-cap": "round", "line-join": "round"},
        "paint": {
            "line-color": "@ink",
            "line-width": ["interpolate", ["linear"], ["zoom"], 10, 0.8, 16, 2.2],
        },
    }
    dot: dict[str, Any] = {
        "id": f"{layer.id}-dot",
        "type": "circle",
        "paint": {
            "circle-color": "@ink",
            "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 1.6, 14, 3, 18, 6],
            "circle-stroke-color": "@ring",
            "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 13, 0, 15, 1],
        },
    }
    style_layers: list[dict[str, Any]]
    match layer.geometry_type:
        case "Point":
            style_layers = [dot]
        case "MultiLineString":
            style_layers = [line]
        case "MultiPolygon":
            style_layers = [fill, line]
        case _:
            fill["filter"] = ["in", ["geometry-type"], ["literal", ["Polygon", "MultiPolygon"]]]
            dot["filter"] = ["in", ["geometry-type"], ["literal", ["Point", "MultiPoint"]]]
            style_layers = [fill, line, dot]
    for style_layer in style_layers:
        style_layer["metadata"] = {"onemap:order": ORDER[style_layer["type"]]}
    hue = crc32(layer.id.encode()) % len(HUES["light"])
    return {
        "layers": style_layers,
        "palette": {
            "light": {"ink": HUES["light"][hue], "ring": "#ffffff"},
            "dark": {"ink": HUES["dark"][hue], "ring": "#0e151d"},
        },
        "legend": [
            {
                "kind": {"circle": "dot"}.get(style_layers[0]["type"], style_layers[0]["type"]),
                "color": "@ink",
                "title": layer.title._asdict(),
            }
        ],
    }
