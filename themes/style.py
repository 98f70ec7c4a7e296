"""How layers are drawn: a MapLibre style put together from each layer's own drawing.

A known layer's drawing is `layers/known/<id>.style.json`: style layers whose colours are names ("@road"),
a palette for each scheme, a legend. Any other layer gets one made from its geometry type, in a colour
that its id chooses, so it is the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from layers.model import BoundingBox, Layer
from themes.catalogue import Theme
from themes.made_drawing import made_drawing
from themes.raster_style import Scheme, draw_raster
from themes.service_style import draw_service

Drawing = Mapping[str, Any]
"""`layers`, `palette` and `legend` of one layer, as in its style file."""

KNOWN = Path(__file__).parent.parent / "layers" / "known"
BACKGROUND: Mapping[Scheme, str] = {"light": "#f4f3ef", "dark": "#0e151d"}
DEFAULT_ORDER = 50


def build_style(
    themes: Sequence[Theme],
    layers: Mapping[str, Layer],
    scheme: Scheme,
    tiles_url: Callable[[Sequence[str]], str],
    most_in_a_tile: int = 16,
    services_url: str = "/services",
) -> dict[str, Any]:
    """A MapLibre style (version 8) of `themes`, of those of their layers that are in `layers`.

    A raster layer has sources of its own, and so has the layer of a service, whose squares are below
    `services_url`. For all others one tile source for each theme, at
    `tiles_url(layer ids)` (a TileJSON address); more where a theme has more layers than one tile takes. A
    layer in two themes is drawn once, from the first. A style layer's `metadata` says its layer
    (`onemap:layer`), its theme and its order; the style's says each layer's legend.
    """
    sources: dict[str, Any] = {}
    drawn: list[dict[str, Any]] = []
    legends: dict[str, Any] = {}
    for theme in themes:
        for layer in (layers[i] for i in theme.layers if i in layers and i not in legends):
            if layer.kind == "raster" and layer.rasters:
                of_pixels = draw_raster(layer, theme.id, scheme, tiles_url([layer.id]))
                sources |= of_pixels.sources
                drawn += of_pixels.layers
                legends[layer.id] = of_pixels.legend
            if layer.service is not None:
                of_service = draw_service(layer, layer.service, theme.id, scheme, services_url)
                sources |= of_service.sources
                drawn += of_service.layers
                legends[layer.id] = of_service.legend
        for layer in (layers[i] for i in theme.layers if i in layers and i not in legends):
            # Apart from the others: it may take long, or fail. One that must be told something is not drawn.
            if layer.function is not None and not layer.function.requires:
                source = f"function:{layer.id}"
                sources[source] = {"type": "vector", "url": tiles_url([layer.id])}
                drawing = drawing_of(layer)
                palette = drawing["palette"][scheme]
                legends[layer.id] = _coloured(drawing.get("legend", []), palette)
                drawn += [_placed(d, theme.id, source, layer.id, palette) for d in drawing["layers"]]
        shown = [i for i in theme.layers if i in layers and layers[i].has_rows and i not in legends]
        for start in range(0, len(shown), most_in_a_tile):
            together = shown[start : start + most_in_a_tile]
            source = theme.id if start == 0 else f"{theme.id}-{start}"
            sources[source] = {"type": "vector", "url": tiles_url(together)}
            for layer_id in together:
                drawing = drawing_of(layers[layer_id])
                palette = drawing["palette"][scheme]
                legends[layer_id] = _coloured(drawing.get("legend", []), palette)
                drawn += [_placed(d, theme.id, source, layer_id, palette) for d in drawing["layers"]]
    drawn.sort(key=lambda style_layer: style_layer["metadata"]["onemap:order"])
    background = {"id": "background", "type": "background", "paint": {"background-color": BACKGROUND[scheme]}}
    return {
        "version": 8,
        "name": " + ".join(theme.title.en for theme in themes),
        **_view([layers[i] for theme in themes for i in theme.layers if i in layers]),
        "sources": sources,
        "layers": [background, *drawn],
        "metadata": {
            "onemap:scheme": scheme,
            "onemap:themes": [theme.id for theme in themes],
            "onemap:legend": legends,
        },
    }


def drawing_of(layer: Layer) -> Drawing:
    """The drawing of `layer`: its file's, or one made for its geometry type."""
    known = _known_drawing(layer.id) if layer.known else None
    return known if known is not None else made_drawing(layer)


@cache
def _known_drawing(layer_id: str) -> Drawing | None:
    file = KNOWN / f"{layer_id}.style.json"
    return cast(Drawing, json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _placed(
    style_layer: Mapping[str, Any], theme: str, source: str, layer_id: str, palette: Mapping[str, str]
) -> dict[str, Any]:
    coloured = _coloured(style_layer, palette)
    metadata = {
        "onemap:order": DEFAULT_ORDER,
        **coloured.get("metadata", {}),
        "onemap:layer": layer_id,
        "onemap:theme": theme,
    }
    return {**coloured, "source": source, "source-layer": layer_id, "metadata": metadata}


def _coloured(value: Any, palette: Mapping[str, str]) -> Any:
    """`value` with every "@name" replaced by the palette's colour; KeyError names one that is missing."""
    match value:
        case str() if value.startswith("@"):
            return palette[value[1:]]
        case Mapping():
            return {key: _coloured(inner, palette) for key, inner in value.items()}
        case list():
            return [_coloured(inner, palette) for inner in value]
        case _:
            return value


def _view(layers: Sequence[Layer]) -> dict[str, Any]:
    """Where the map opens: the middle of what there is. Nothing while every layer is empty."""
    boxes: list[BoundingBox] = [layer.bounds for layer in layers if layer.bounds is not None]
    if not boxes:
        return {}
    west, south = min(b.west for b in boxes), min(b.south for b in boxes)
    east, north = max(b.east for b in boxes), max(b.north for b in boxes)
    return {"center": [round((west + east) / 2, 6), round((south + north) / 2, 6)], "zoom": 12}
