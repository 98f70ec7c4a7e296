"""Which layer a file is: by its columns, its geometry, and words in its name; with the evidence.

A file is taken for a known layer only if it has that layer's key and shape; otherwise it becomes a layer of
its own. A file that was imported before under its own name is recognised as the layer it made then.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from importers.derive import derivable
from importers.match import Matching, match
from importers.names import folded
from importers.options import ImportOptions
from importers.shaped import place_columns
from importers.source import Found, Source
from layers.model import LAYER_ID, GeometryType, Layer

ENOUGH = 0.5
"""A file is recognised from this score on: by most of its columns, or by two fifths of them and its name."""
NAME_WEIGHT = 0.3
COVERED_WEIGHT = 0.1
"""Of the score: a word in the name, and the share of the layer's fields that are there. The rest is the
share of the file's columns that are fields."""
LEAST_FIELDS = 4
"""Fields that must match where the name says nothing: a code and a name alone are anything."""

_FITS: dict[str, tuple[GeometryType, ...]] = {
    "Point": ("Point",),
    "LineString": ("MultiLineString",),
    "MultiLineString": ("MultiLineString",),
    "Polygon": ("MultiPolygon",),
    "MultiPolygon": ("MultiPolygon",),
    "MultiPoint": ("Point",),
}
"""What a declared geometry type can become; a type that is not here may be anything."""


class Recognised(NamedTuple):
    """`score` between 0 and 1; `found` says why in words."""

    layer: Layer
    matching: Matching
    score: float
    found: Found


def recognise(
    source: Source, layers: Iterable[Layer], said: Mapping[str, str] | None = None
) -> Recognised | None:
    """The layer that `source` most likely is, or None if no layer is likely enough or two are equally so."""
    candidates = likely(source, layers, said)
    if not candidates or candidates[0].score < ENOUGH:
        return None
    if len(candidates) > 1 and candidates[0].score == candidates[1].score:
        return None
    return candidates[0]


def likely(
    source: Source, layers: Iterable[Layer], said: Mapping[str, str] | None = None
) -> list[Recognised]:
    """The layers that `source` can be, the likeliest first."""
    names = _texts_in_names(source)
    candidates = [c for layer in layers if (c := _score(source, layer, names, said or {})) is not None]
    return sorted(candidates, key=lambda c: -c.score)


def own_layer_id(source: Source, taken: Sequence[str] = ()) -> str:
    """An ASCII id for the layer of a stranger's file, from its name and, in a file of several, the table's.

    A name with letters that are not ASCII becomes `layer_` and a short hash of it. An id in `taken` (a known
    layer's) gets `_file` added.
    """
    stem = Path(source.file).name.split(".")[0]
    name = stem if folded(source.name) in (folded(stem), "") else f"{stem}_{source.name}"
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not name.isascii() or not slug:
        slug = f"layer_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    elif not slug[0].isalpha():
        slug = f"layer_{slug}"
    slug = slug[:43].rstrip("_")
    if slug in taken:
        slug = f"{slug}_file"
    assert LAYER_ID.fullmatch(slug)
    return slug


def fits(source: Source, layer: Layer) -> bool:
    """True if geometries as `source` declares them can be rows of `layer`."""
    if layer.geometry_type == "Geometry" or source.geometry_type is None:
        return True
    return layer.geometry_type in _FITS.get(source.geometry_type, (layer.geometry_type,))


def _score(source: Source, layer: Layer, names: Sequence[str], said: Mapping[str, str]) -> Recognised | None:
    """How likely `source` is `layer`; None if it cannot be."""
    if not layer.known or not fits(source, layer):
        return None
    said = {column: name for column, name in said.items() if layer.field(name) is not None or name == ""}
    matching = match(source, layer, said)
    have = {pair.field.name for pair in matching.pairs}
    needed = {f.name for f in layer.fields if f.required or f.name == layer.key}
    if not needed <= have | derivable(layer.id, have):
        return None
    place = place_columns(source, ImportOptions())
    columns = [c for c in source.schema.names if c != source.row_id and (not place or c not in place.used)]
    word = _word(layer, names)
    if not columns or (word is None and len(matching.pairs) < LEAST_FIELDS):
        return None
    share = min(1.0, len(matching.pairs) / len(columns))
    covered = len(matching.pairs) / len(layer.fields)
    score = share * (1 - NAME_WEIGHT - COVERED_WEIGHT) + covered * COVERED_WEIGHT
    score += NAME_WEIGHT * min(1.0, 0.8 + 0.05 * len(word)) if word else 0.0
    zh = f"{len(columns)} 列中 {len(matching.pairs)} 列对应图层字段" + (f"，名称含“{word}”" if word else "")
    en = f"{len(matching.pairs)} of {len(columns)} columns are fields of it" + (
        f", its name holds {word!r}" if word else ""
    )
    return Recognised(layer, matching, score, Found(layer.id, zh, en))


def _texts_in_names(source: Source) -> list[str]:
    """What the file and its table are called, the way words are looked for in it."""
    return [Path(source.file).name.lower(), source.name.lower(), (source.alias or "").lower()]


def _word(layer: Layer, names: Sequence[str]) -> str | None:
    """The longest of the layer's words that one of the names holds."""
    words = [word for word in (*layer.recognise_by, layer.id) if any(word.lower() in n for n in names)]
    return max(words, key=len, default=None)
