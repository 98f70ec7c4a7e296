"""The margin of tiles is as wide as what the styles draw beyond their shapes, so that nothing is cut."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from gis.matrix_sets import CGCS2000_QUAD
from gis.squares import tile_at
from layers.access import SYSTEM, scope_for
from layers.catalogue import Catalogue, known_layers
from layers.db import Database
from layers.description import KNOWN_DIRECTORY
from layers.model import Layer
from tests.tiles.test_fresh import told
from tests.tiles.town import pipe_layer, pipes, plot_layer, put
from themes.style import drawing_of
from tiles.server import TileServer, select_scopes
from tiles.square import EXTENT, MARGIN, Square, margin_units, mercator_square, square_in

TILE_PIXELS = 512
LAST_ZOOM = 18
"""Further in, clients enlarge the tiles of this zoom, margin and all."""
WIDEST = {"width_m": 60.0, "diameter_mm": 2000.0}
"""The widest road and pipe that are drawn at their width."""
CLASSES = ("express", "trunk", "secondary", "branch", None)


def value_of(expression: Any, zoom: float, row: Mapping[str, Any]) -> Any:
    """What an expression of the MapLibre style specification gives, of those that widths are written in."""
    match expression:
        case ["interpolate", [kind, *base], given, *stops]:
            x = value_of(given, zoom, row)
            keys, values = stops[0::2], [value_of(v, zoom, row) for v in stops[1::2]]
            after = int(np.searchsorted(keys, x, side="right"))
            if after in (0, len(keys)):
                return values[min(after, len(keys) - 1)]
            low, high = keys[after - 1], keys[after]
            factor = base[0] if kind == "exponential" else 1.0
            share = (x - low) / (high - low)
            if factor != 1.0:
                share = (factor ** (x - low) - 1) / (factor ** (high - low) - 1)
            return values[after - 1] + share * (values[after] - values[after - 1])
        case ["zoom"]:
            return zoom
        case ["get", name]:
            return row.get(name)
        case ["coalesce", *some]:
            return next((v for v in (value_of(e, zoom, row) for e in some) if v is not None), None)
        case ["match", given, *cases]:
            wanted = value_of(given, zoom, row)
            for labels, result in zip(cases[0:-1:2], cases[1::2], strict=True):
                if wanted == labels or (isinstance(labels, list) and wanted in labels):
                    return value_of(result, zoom, row)
            return value_of(cases[-1], zoom, row)
        case ["+", *terms]:
            return sum(value_of(term, zoom, row) for term in terms)
        case ["*", *terms]:
            return float(np.prod([value_of(term, zoom, row) for term in terms]))
        case [str() as operator, *_]:
            raise AssertionError(f"a width by {operator!r}: teach it to this test")
        case _:
            return expression


def reach_px(style_layer: Mapping[str, Any], zoom: float, row: Mapping[str, Any]) -> float:
    """Pixels that a line is drawn beyond itself, to one side."""
    paint = style_layer.get("paint", {})
    beside = [value_of(paint.get(f"line-{n}", 0), zoom, row) for n in ("gap-width", "offset", "blur")]
    return float(value_of(paint.get("line-width", 1), zoom, row) / 2 + sum(map(abs, beside)))


KNOWN = [layer for layer in known_layers() if (KNOWN_DIRECTORY / f"{layer.id}.style.json").exists()]


@pytest.mark.parametrize("layer", [*KNOWN, pipe_layer(), plot_layer()], ids=lambda layer: layer.id)
def test_no_line_is_drawn_wider_than_the_margin(layer: Layer) -> None:
    lines = [drawn for drawn in drawing_of(layer)["layers"] if drawn["type"] == "line"]
    rows = [{"class": kind, **extra} for kind in CLASSES for extra in ({}, WIDEST)]
    for tile_zoom in range(layer.min_zoom, LAST_ZOOM + 1):
        margin_px = margin_units(layer.drawn_reach_m, tile_zoom) * TILE_PIXELS / EXTENT
        last = 21 if tile_zoom == LAST_ZOOM else tile_zoom + 1
        for zoom in np.arange(tile_zoom, last, 0.25):
            for drawn in lines:
                if not drawn.get("minzoom", 0) <= zoom < drawn.get("maxzoom", 24):
                    continue
                widest = max(reach_px(drawn, float(zoom), row) for row in rows)
                assert widest <= margin_px * 2 ** (zoom - tile_zoom), (drawn["id"], zoom)


def test_only_what_is_drawn_wide_has_a_wide_margin() -> None:
    for layer in known_layers():
        margins = {margin_units(layer.drawn_reach_m, zoom) for zoom in range(layer.min_zoom, 25)}
        assert margins == {MARGIN} or layer.id == "road"
        assert max(margins) <= EXTENT // 4


def test_the_widths_are_understood() -> None:
    road = json.loads((KNOWN_DIRECTORY / "road.style.json").read_text("utf-8"))
    (fill,) = [drawn for drawn in road["layers"] if drawn["id"] == "road-fill"]
    assert reach_px(fill, 20.0, {"width_m": 10.0}) == pytest.approx(79.0)
    assert reach_px(fill, 9.0, {"class": "express"}) == pytest.approx(0.5)


async def test_a_tile_is_drawn_anew_when_something_in_its_wide_margin_changes(database: Database) -> None:
    wide = pipe_layer(drawn_reach_m=36.0)
    await put(database, wide, pipes(60))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        squares = [
            square
            for z in range(15, 19)
            for lon, lat in [(116.5 + n % 4 * 0.0011, 31.74 + n // 4 * 0.0011) for n in range(16)]
            for square in (mercator_square(tile_at(lon, lat, z)), degrees_square(lon, lat, z - 1))
        ]
        selection = select_scopes([scope_for(SYSTEM, await catalogue.layer("pipe"))])
        before = [told(await server.drawn(selection, square)) for square in squares]
        await put(database, wide, pipes(60, seed=9))
        await catalogue.refresh()
        selection = select_scopes([scope_for(SYSTEM, await catalogue.layer("pipe"))])
        anew = TileServer(database, catalogue)
        changed = 0
        for square, was in zip(squares, before, strict=True):
            drawn = told(await anew.drawn(selection, square))
            changed += drawn != was
            kept = server.kept(selection, square)
            assert kept is None or told(kept) == drawn, square
        assert changed > 0


def degrees_square(lon: float, lat: float, z: int) -> Square:
    column, _, row, _ = CGCS2000_QUAD.limits((lon, lat, lon, lat), z)
    return square_in(CGCS2000_QUAD, z, column, row)
