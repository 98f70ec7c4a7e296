"""The surroundings of a layer as they are published now, through the access seam with the system's scope."""

from __future__ import annotations

import numpy as np
import shapely

from importers.check.codes import PLACE_FIELDS
from importers.check.model import Rows
from importers.check.surroundings import Places, Surroundings
from importers.check.tilings import PARENT
from layers.access import SYSTEM, scope_for
from layers.catalogue import list_layers
from layers.db import Database
from layers.model import Layer
from layers.whole import whole_layer

_BESIDE: dict[str, tuple[str, ...]] = {
    "unit_grid": ("building",),
    "building": ("unit_grid",),
    "component": ("unit_grid",),
    "pipe_line": ("pipe_node",),
    "pipe_node": ("pipe_line",),
}
_FIELDS: dict[str, tuple[str, ...]] = {
    "pipe_node": ("pipe_class", "feature", "appendage", "ground_elevation_m"),
    "pipe_line": ("start_node", "end_node"),
}
"""What is asked of the neighbours besides code and shape."""


def wanted_around(layer: Layer, *, partial: bool = False) -> tuple[str, ...]:
    """Ids of the layers that the check of `layer` asks about; the layer itself for a partial delivery."""
    places = [place for field, (place, _) in PLACE_FIELDS.items() if layer.field(field) is not None]
    parent = [PARENT[layer.id]] if layer.id in PARENT else []
    beside = _BESIDE.get(layer.id, ())
    wanted = dict.fromkeys(("district", *places, *parent, *beside))
    if not partial:
        wanted.pop(layer.id, None)
    elif layer.id in (*PARENT, "district", "building"):
        wanted[layer.id] = None
    return tuple(wanted)


async def surroundings_of(db: Database, layer: Layer, *, partial: bool = False) -> Surroundings:
    """The published layers round `layer`; one that was never published, or was withdrawn, is left out."""
    wanted = wanted_around(layer, partial=partial)
    published = {each.id: each for each in await list_layers(db) if each.status == "published"}
    return Surroundings({name: await places_of(db, published[name]) for name in wanted if name in published})


async def places_of(db: Database, layer: Layer) -> Places:
    """The current rows of a published layer by key, with the fields that checks ask for."""
    fields = [name for name in _FIELDS.get(layer.id, ()) if layer.field(name) is not None]
    whole = await whole_layer(db, scope_for(SYSTEM, layer), fields)
    shapes = np.asarray(shapely.from_wkb(np.array(whole.wkb, dtype=object)), dtype=object)
    columns = Rows.of(layer, shapes, whole.columns).columns
    return Places.of(np.array(whole.keys, dtype=object), shapes, columns)
