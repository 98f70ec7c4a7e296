"""Which fields of a row travel in tiles."""

from __future__ import annotations

from collections.abc import Sequence

from layers.access import Scope
from layers.model import Field, Layer

STRANGER_FIELDS = 8
"""How many fields of a layer that marks none for tiles travel in them."""
SHORT_TEXT = 64
"""Characters; a text field known to be longer is not for tiles unless it says so."""


def tile_fields(scope: Scope) -> tuple[Field, ...]:
    """The key, then the fields marked for tiles, as far as the scope lets them out.

    A layer that marks none (a stranger's) gives its name field and its first short ones.
    """
    return _travelling(scope.layer, [f for f in scope.layer.fields if f.name in scope.fields])


def fields_of_tiles(layer: Layer) -> tuple[Field, ...]:
    """The same for those who may see every field."""
    return _travelling(layer, layer.fields)


def far_fields(scope: Scope) -> tuple[Field, ...]:
    """What travels where a layer is drawn from its lighter copy: what is marked, but neither key nor name.

    Nobody points at one of a crowd or reads its name, and the two were half of such a tile; the feature's id
    names the row all the same. Of a layer that marks no fields nothing travels.
    """
    layer = scope.layer
    return tuple(f for f in tile_fields(scope) if f.in_tiles and f.name not in (layer.key, layer.name_field))


def deciding_fields(layer: Layer) -> tuple[str, ...]:
    """Names of the fields without which a tile of rows looks the same to everybody: those that may travel
    in one, and the one by which rows are chosen for a viewer.

    Of a layer that marks none all, as it depends on the viewer which are the first.
    """
    if not any(f.in_tiles for f in layer.fields):
        return layer.field_names
    return _and_district(layer, [f.name for f in fields_of_tiles(layer)])


def deciding_far_fields(layer: Layer) -> tuple[str, ...]:
    """The same where a layer is drawn from its lighter copy."""
    travelling = [f.name for f in layer.fields if f.in_tiles and f.name not in (layer.key, layer.name_field)]
    return _and_district(layer, travelling)


def looks_otherwise(before: Layer, after: Layer) -> bool:
    """Whether other fields decide how the rows of a layer look than before its description changed."""
    return deciding_fields(before) != deciding_fields(after) or (
        deciding_far_fields(before) != deciding_far_fields(after)
    )


def _and_district(layer: Layer, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, *([layer.district_field] if layer.district_field else []))))


def _travelling(layer: Layer, allowed: Sequence[Field]) -> tuple[Field, ...]:
    marked = [f for f in allowed if f.in_tiles]
    if not any(f.in_tiles for f in layer.fields):
        short = [f for f in allowed if f.name != layer.key and _is_short(f)]
        short.sort(key=lambda f: f.name != layer.name_field)
        marked = short[:STRANGER_FIELDS]
    key = [f for f in allowed if f.name == layer.key and f not in marked]
    return (*key, *marked)


def _is_short(field: Field) -> bool:
    return field.type != "text" or field.max_length is None or field.max_length <= SHORT_TEXT
