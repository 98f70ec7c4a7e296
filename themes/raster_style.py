"""How raster layers are drawn: pictures as they are, heights as colours, as shade, and as ground for 3D."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from layers.model import Layer
from layers.rasters import by_date

Scheme = Literal["light", "dark"]

TILE_PIXELS = 512
"""Pictures of 512 pixels for a square of 512: one request for four, sharp on a phone."""
ORDER = {"colour": 23, "picture": 26, "shade": 28}
"""Above the areas of water and green, which would hide them; below grids, roads and all else."""
SWATCH = {"image": "#7d9a78", "elevation": "#d2bd92", "classes": "#9a86b8", "values": "#3f8f8c"}
"""What stands for a raster layer in a list."""
SHADE: dict[Scheme, dict[str, str]] = {
    "light": {
        "hillshade-shadow-color": "#4a4a3a",
        "hillshade-highlight-color": "#ffffff",
        "hillshade-accent-color": "#6b6b57",
    },
    "dark": {
        "hillshade-shadow-color": "#000000",
        "hillshade-highlight-color": "#5d6b78",
        "hillshade-accent-color": "#000000",
    },
}


class RasterDrawing(NamedTuple):
    """MapLibre sources by name, style layers with their `metadata`, and the legend."""

    sources: dict[str, Any]
    layers: list[dict[str, Any]]
    legend: list[dict[str, Any]]


def draw_raster(layer: Layer, theme: str, scheme: Scheme, tiles_url: str) -> RasterDrawing:
    """The drawing of a published raster layer whose TileJSON is at `tiles_url`.

    Heights have two more sources (`raster-dem`): one to be shaded, and one for a 3D ground, which the shade's
    `metadata` names (`onemap:terrain`): a map that stands on the source it shades is coarser.
    """
    name = f"raster:{layer.id}"
    meaning = by_date(layer)[0].meaning
    form = "webp" if meaning == "image" else "png"
    sources: dict[str, Any] = {
        name: {"type": "raster", "url": _url(tiles_url, format=form), "tileSize": TILE_PIXELS}
    }
    legend = [{"kind": "fill", "color": SWATCH[meaning], "title": layer.title._asdict()}]

    def placed(kind: str, style_layer: dict[str, Any], **more: str) -> dict[str, Any]:
        metadata = {"onemap:order": ORDER[kind], "onemap:layer": layer.id, "onemap:theme": theme, **more}
        return {"id": f"{layer.id}-{kind}", **style_layer, "metadata": metadata}

    if meaning != "elevation":
        paint: dict[str, Any] = {"raster-fade-duration": 150}
        if meaning == "classes":
            paint["raster-resampling"] = "nearest"
        picture = placed("picture", {"type": "raster", "source": name, "paint": paint})
        return RasterDrawing(sources, [picture], legend)
    shaded, terrain = f"{name}:shade", f"{name}:terrain"
    sources[shaded] = sources[terrain] = {
        "type": "raster-dem",
        "url": _url(tiles_url, render="terrarium"),
        "tileSize": TILE_PIXELS,
        "encoding": "terrarium",
    }
    colour = {"type": "raster", "source": name, "paint": {"raster-opacity": 0.45}}
    shade = {
        "type": "hillshade",
        "source": shaded,
        "paint": {"hillshade-exaggeration": 0.7, **SHADE[scheme]},
    }
    drawn = [placed("colour", colour), placed("shade", shade, **{"onemap:terrain": terrain})]
    return RasterDrawing(sources, drawn, legend)


def _url(tiles_url: str, **said: str) -> str:
    return f"{tiles_url}?{urlencode({'size': TILE_PIXELS, **said})}"
