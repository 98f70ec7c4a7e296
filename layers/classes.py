"""Which field says of what class a row is, and what its values are called: pure.

Of a cluster far out it is told how many rows of which class it stands for (`layers.class_counts`).
"""

from __future__ import annotations

from collections.abc import Mapping

from gis.codes import component_class
from gis.errors import InvalidCode
from layers.access import Scope
from layers.model import Field, Layer, Text

COUNT_OF = "_count_"
"""Before a class, the name of the attribute that says how many rows of it a cluster stands for."""
COUNT_OF_OTHERS = "_other"
"""How many rows of all further classes, and of none."""

_WORDS = ("类型", "类别", "分类", "种类", "大类", "小类", "type", "class", "kind", "category")
_TYPES = ("text", "integer")


def class_field(layer: Layer) -> Field | None:
    """The field the description names; else the first open one that is called a class or kind, or has a list
    of codes; None if there is none."""
    if layer.class_field is not None:
        return layer.field(layer.class_field)
    roles = (layer.key, layer.name_field, layer.district_field)
    possible = [
        f for f in layer.fields if f.sensitivity == "open" and f.type in _TYPES and f.name not in roles
    ]
    called = (f for f in possible if any(t.casefold().endswith(_WORDS) for t in (f.name, *f.title)))
    return next(called, None) or next((f for f in possible if f.codes), None)


def counted_class(scope: Scope) -> Field | None:
    """The field whose values the scope's clusters tell; None where none are told or may be seen.

    None also while another copy is to be made: the one that stands may be of another field.
    """
    layer = scope.layer
    field = class_field(layer)
    if field is None or not layer.classes or "copy" in layer.unfinished or not scope.is_current:
        return None
    return field if field.name in scope.fields else None


def titles_of_classes(scope: Scope) -> Mapping[str, Text]:
    """What the classes told by the scope's clusters are called; empty where none are told."""
    field = counted_class(scope)
    return {} if field is None else {value: class_title(field, value) for value in scope.layer.classes}


def class_title(field: Field, value: str) -> Text:
    """What a value of the field is called: by its list of codes, by its standard's table, else itself."""
    if field.codes and value in field.codes:
        return field.codes[value]
    if field.titled_by == "component_classes":
        try:
            found = component_class(value)
        except InvalidCode:
            return Text(value, value)  # a city's own extension
        return Text(found.title, found.title_en or found.title)
    return Text(value, value)
