"""How layers of other systems' services are drawn: pictures as they come, features and tiles plainly."""

from __future__ import annotations

from typing import Any, NamedTuple

from layers.model import Layer, ServiceSource
from themes.made_drawing import made_drawing
from themes.raster_style import Scheme

TILE_PIXELS = 256
PICTURE_ORDER = 30
"""Above areas of water and green and our own images, below grids, roads and all else."""
SWATCH = "#8a94a6"


class ServiceDrawing(NamedTuple):
    """MapLibre sources by name, style layers with their `metadata`, and the legend."""

    sources: dict[str, Any]
    layers: list[dict[str, Any]]
    legend: list[dict[str, Any]]


def draw_service(
    layer: Layer, source: ServiceSource, theme: str, scheme: Scheme, services_url: str
) -> ServiceDrawing:
    """The drawing of a layer whose squares are at `services_url`/<layer>/{z}/{x}/{y}.

    The legend's `picture` is the address of the other system's own, where it has one.
    """
    name = f"service:{layer.id}"
    own = f"{services_url}/{layer.id}"
    told: dict[str, Any] = {
        "type": "raster" if source.form == "pictures" else "vector",
        "tiles": [f"{own}/{{z}}/{{x}}/{{y}}?v={layer.version}"],
        "minzoom": layer.min_zoom,
        "maxzoom": layer.max_zoom,
    }
    if source.form == "pictures":
        told["tileSize"] = TILE_PIXELS
    if layer.bounds is not None:
        told["bounds"] = list(layer.bounds)
    if source.attribution:
        told["attribution"] = source.attribution
    if source.form == "pictures":
        return _pictures(layer, source, name, told, theme, own)
    parts = source.parts or (layer.id,)
    drawing = made_drawing(layer)
    palette = drawing["palette"][scheme]
    drawn = [
        _part(style_layer, n, part, layer, name, theme, palette)
        for n, part in enumerate(parts)
        for style_layer in drawing["layers"]
    ]
    legend = [{"kind": "fill", "color": palette["ink"], "title": layer.title._asdict()}]
    return ServiceDrawing({name: told}, drawn, legend)


def _pictures(
    layer: Layer, source: ServiceSource, name: str, told: dict[str, Any], theme: str, own: str
) -> ServiceDrawing:
    metadata = {"onemap:order": PICTURE_ORDER, "onemap:layer": layer.id, "onemap:theme": theme}
    paint = {"raster-fade-duration": 150}
    drawn = {
        "id": f"{layer.id}-picture",
        "type": "raster",
        "source": name,
        "minzoom": layer.min_zoom,
        "paint": paint,
        "metadata": metadata,
    }
    entry: dict[str, Any] = {"kind": "fill", "color": SWATCH, "title": layer.title._asdict()}
    if source.legend:
        entry["picture"] = f"{own}/legend?v={layer.version}"
    return ServiceDrawing({name: told}, [drawn], [entry])


def _part(
    style_layer: dict[str, Any],
    n: int,
    part: str,
    layer: Layer,
    source: str,
    theme: str,
    palette: dict[str, str],
) -> dict[str, Any]:
    """One of the plain style layers, for one layer within the vector tiles."""
    paint = {
        key: palette[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for key, value in style_layer["paint"].items()
    }
    metadata = {**style_layer["metadata"], "onemap:layer": layer.id, "onemap:theme": theme}
    placed = {"source": source, "source-layer": part, "minzoom": layer.min_zoom}
    return {
        **style_layer,
        **placed,
        "id": f"{style_layer['id']}-{n}",
        "paint": paint,
        "metadata": metadata,
    }
