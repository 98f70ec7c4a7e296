"""What a layer says about itself: TOML file or JSON column ↔ `Layer`, checked on the way in.

Pure: no database. The state of a layer (status, version, bounds, …) is not part of its description.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from layers.errors import BadData
from layers.model import (
    LAYER_ID,
    NO_TEXT,
    AccessLevel,
    Argument,
    BoundingBox,
    Field,
    FieldType,
    FindingSeverity,
    FunctionSource,
    GeometryType,
    Layer,
    LayerKind,
    Relation,
    Sensitivity,
    ServiceLevel,
    ServiceSource,
    Text,
    TitleTable,
    TopologyRule,
)

KNOWN_DIRECTORY = Path(__file__).parent / "known"
"""`<id>.toml` and `<id>.style.json` of the layers that follow the national standards."""

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer identifiers (NAMEDATALEN - 1); 21 Chinese characters in UTF-8."""

MAX_FIELDS = 1_000
"""A table holds 1,600 columns at most, and columns of fields that left a description stay."""

RESERVED_NAMES = frozenset({"_fid", "_key", "_hash", "_from", "_to", "_geom", "_geom_3857", "_row"}) | {
    *("_count", "_left_out"),
    *("tableoid", "xmin", "xmax", "cmin", "cmax", "ctid"),
}
"""Our own columns and PostgreSQL's system columns: no field may be called so."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LAYER_KEYS = frozenset(f.name for f in dataclasses.fields(Layer)) - {
    *(
        "status",
        "version",
        "published_at",
        "feature_count",
        "bounds",
        "generalised",
        "classes",
        "unfinished",
        "origins",
        "known",
        "rasters",
    )
}
MOST_REACH_M = 100
_FIELD_KEYS = frozenset(f.name for f in dataclasses.fields(Field))
_T = TypeVar("_T", bound=str)


def known_layers(directory: Path = KNOWN_DIRECTORY) -> tuple[Layer, ...]:
    """The layers described by `*.toml` in `directory`, by id; none if there is no file."""
    layers = [read_file(path) for path in sorted(directory.glob("*.toml"))]
    return tuple(sorted(layers, key=lambda layer: layer.id))


def read_file(path: Path) -> Layer:
    """The known layer described in `path`; raises `BadData` naming file, field and value."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadData(
            f"图层说明文件 {path.name} 无法读取：{error}",
            f"the layer description {path.name} cannot be read: {error}",
            file=path.name,
        ) from error
    layer = from_json(data, where=path.name, known=True)
    if layer.id != path.stem:
        raise _bad(path.name, "id", layer.id, f"the file's name, {path.stem!r}")
    return layer


def from_json(data: Mapping[str, Any], *, where: str, known: bool | None = None) -> Layer:
    """The layer that `data` describes (state empty). `where` names the source in errors."""
    data = dict(data)
    marked = bool(data.pop("known", False))
    _only(data, _LAYER_KEYS, where)
    entries = data.get("fields", [])
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
        raise _bad(where, "fields", entries, "a list of tables")
    layer = Layer(
        id=_text(data, "id", where, required=True),
        title=_title(data, "title", where, required=True),
        theme=_text(data, "theme", where, default="other"),
        geometry_type=_choice(data, "geometry_type", where, get_args(GeometryType), None),
        fields=tuple(_field(entry, f"{where}, fields[{n}]") for n, entry in enumerate(entries)),
        key=_optional(data, "key", where),
        name_field=_optional(data, "name_field", where),
        search_fields=_texts(data, "search_fields", where),
        district_field=_optional(data, "district_field", where),
        time_field=_optional(data, "time_field", where),
        importance_field=_optional(data, "importance_field", where),
        class_field=_optional(data, "class_field", where),
        tile_kb=_kilobytes(data, "tile_kb", where),
        drawn_reach_m=_reach(data, "drawn_reach_m", where),
        min_zoom=_zoom(data, "min_zoom", where, 0),
        max_zoom=_zoom(data, "max_zoom", where, 22),
        owner=_text(data, "owner", where, default=""),
        access=_choice(data, "access", where, get_args(AccessLevel), "login"),
        description=_title(data, "description", where),
        source=_optional(data, "source", where),
        known=marked if known is None else known,
        relation=_relation(data.get("relation"), where),
        function=_function(data.get("function"), where),
        service=_service(data.get("service"), where),
        recognise_by=_texts(data, "recognise_by", where),
        topology=_topology(data, where),
        kind=_choice(data, "kind", where, get_args(LayerKind), "rows"),
    )
    check(layer, where=where)
    return layer


def to_json(layer: Layer) -> dict[str, Any]:
    """What `from_json` reads back as an equal layer, but for its state."""
    return {
        "id": layer.id,
        "title": layer.title._asdict(),
        "theme": layer.theme,
        "geometry_type": layer.geometry_type,
        "key": layer.key,
        "name_field": layer.name_field,
        "search_fields": list(layer.search_fields),
        "district_field": layer.district_field,
        "time_field": layer.time_field,
        "importance_field": layer.importance_field,
        "class_field": layer.class_field,
        "tile_kb": layer.tile_kb,
        "drawn_reach_m": layer.drawn_reach_m,
        "min_zoom": layer.min_zoom,
        "max_zoom": layer.max_zoom,
        "owner": layer.owner,
        "access": layer.access,
        "description": layer.description._asdict(),
        "source": layer.source,
        "known": layer.known,
        "kind": layer.kind,
        "relation": None if layer.relation is None else dataclasses.asdict(layer.relation),
        "function": None if layer.function is None else dataclasses.asdict(layer.function),
        "service": None if layer.service is None else dataclasses.asdict(layer.service),
        "recognise_by": list(layer.recognise_by),
        "topology": dict(layer.topology),
        "fields": [_field_json(f) for f in layer.fields],
    }


def check(layer: Layer, *, where: str | None = None) -> None:
    """Raises `BadData` if `layer` could not be stored or refers to fields it does not have."""
    where = where or layer.id
    if not LAYER_ID.fullmatch(layer.id):
        raise _bad(where, "id", layer.id, "lower-case ASCII letters, digits and _, at most 48")
    if "__" in layer.id:  # taken by past tables and indexes
        raise _bad(where, "id", layer.id, "a name without a double underscore")
    if layer.min_zoom > layer.max_zoom:
        raise _bad(where, "min_zoom", layer.min_zoom, f"at most max_zoom, {layer.max_zoom}")
    if (layer.kind == "registered") != (layer.relation is not None):
        raise _bad(where, "relation", layer.relation, "the table of a registered layer, and of no other")
    if (layer.kind == "function") != (layer.function is not None):
        raise _bad(where, "function", layer.function, "the function of a function layer, and of no other")
    if (layer.kind == "service") != (layer.service is not None):
        raise _bad(where, "service", layer.service, "the service of a service layer, and of no other")
    if layer.kind in ("raster", "service") and layer.fields:
        raise _bad(where, "fields", layer.fields[0].name, f"none: a {layer.kind} layer has no rows")
    if len(layer.fields) > MAX_FIELDS:
        raise _bad(where, "fields", len(layer.fields), f"at most {MAX_FIELDS} fields")
    seen: dict[str, str] = {}
    for f in layer.fields:
        problem = name_problem(f.name)
        if problem:
            raise _bad(where, "name", f.name, problem)
        if f.name in seen and seen[f.name] == f.name:
            raise _bad(where, "name", f.name, "each field once")
        for name in dict.fromkeys((f.name, *f.aliases)):
            folded = name.casefold()
            if seen.setdefault(folded, f.name) != f.name:
                raise _bad(where, "aliases", name, f"a name not already used by {seen[folded]!r}")
        seen[f.name] = f.name
    for role in ("key", "name_field", "district_field", "time_field", "importance_field", "class_field"):
        name = getattr(layer, role)
        if name is not None and layer.field(name) is None:
            raise _bad(where, role, name, "the name of one of the fields")
    for name in layer.search_fields:
        if layer.field(name) is None:
            raise _bad(where, "search_fields", name, "names of fields")
    key = layer.field(layer.key or "")
    if key is not None and key.sensitivity != "open":
        raise _bad(where, "key", key.name, "a field that is open: every answer names its rows by it")
    for role, types in (
        ("district_field", ("text",)),
        ("time_field", ("date", "datetime")),
        ("importance_field", ("integer", "number")),
        ("class_field", ("text", "integer")),
    ):
        named = layer.field(getattr(layer, role) or "")
        if named is not None and named.type not in types:
            raise _bad(where, role, named.name, f"a field of type {' or '.join(types)}")


def name_problem(name: str) -> str | None:
    """Why `name` cannot be a field's name, as what was expected instead; None if it can."""
    if not name or name != name.strip():
        return "a name without spaces at its ends"
    if _CONTROL.search(name):
        return "a name without control characters"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"at most {MAX_NAME_BYTES} bytes of UTF-8"
    if name in RESERVED_NAMES:
        return "a name that is not reserved"
    return None


def field_name(text: str, taken: Sequence[str] | frozenset[str] = ()) -> str:
    """A permitted field name nearest to `text` (a column's title in a stranger's file), not in `taken`.

    >>> field_name(" 名称 ", ["名称"])
    '名称_2'
    """
    name = _CONTROL.sub(" ", text).strip() or "field"
    if name in RESERVED_NAMES:
        name = f"{name}_"
    folded = {t.casefold() for t in taken}
    number = 1
    while True:
        suffix = "" if number == 1 else f"_{number}"
        room = MAX_NAME_BYTES - len(suffix)
        candidate = name.encode()[:room].decode(errors="ignore").strip() + suffix
        if candidate.casefold() not in folded:
            return candidate
        number += 1


def _field(data: Mapping[str, Any], where: str) -> Field:
    _only(data, _FIELD_KEYS, where)
    codes = data.get("codes")
    if codes is not None and not isinstance(codes, Mapping):
        raise _bad(where, "codes", codes, "a table of code = {zh, en}")
    length = data.get("max_length")
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        raise _bad(where, "max_length", length, "a whole number above 0")
    name = _text(data, "name", where, required=True)
    title = _title(data, "title", where)
    return Field(
        name=name,
        title=Text(title.zh or name, title.en or name),
        type=_choice(data, "type", where, get_args(FieldType), "text"),
        unit=_optional(data, "unit", where),
        codes=None if codes is None else {str(c): _title(codes, c, f"{where}, codes") for c in codes},
        required=_flag(data, "required", where),
        sensitivity=_choice(data, "sensitivity", where, get_args(Sensitivity), "open"),
        max_length=length,
        aliases=_texts(data, "aliases", where),
        in_tiles=_flag(data, "in_tiles", where),
        titled_by=_titled_by(data, where),
        source=_optional(data, "source", where),
    )


def _field_json(f: Field) -> dict[str, Any]:
    return {
        "name": f.name,
        "title": f.title._asdict(),
        "type": f.type,
        "unit": f.unit,
        "codes": None if f.codes is None else {c: t._asdict() for c, t in f.codes.items()},
        "required": f.required,
        "sensitivity": f.sensitivity,
        "max_length": f.max_length,
        "aliases": list(f.aliases),
        "in_tiles": f.in_tiles,
        "titled_by": f.titled_by,
        "source": f.source,
    }


def _titled_by(data: Mapping[str, Any], where: str) -> TitleTable | None:
    if data.get("titled_by") is None:
        return None
    table: TitleTable = _choice(data, "titled_by", where, get_args(TitleTable), None)
    return table


def _topology(data: Mapping[str, Any], where: str) -> dict[TopologyRule, FindingSeverity]:
    said = data.get("topology", {})
    if not isinstance(said, Mapping):
        raise _bad(where, "topology", said, "a table of rule = severity")
    _only(said, frozenset(get_args(TopologyRule)), f"{where}, topology")
    allowed = get_args(FindingSeverity)
    return {
        rule: _choice(said, rule, f"{where}, topology", allowed, None)
        for rule in get_args(TopologyRule)
        if rule in said
    }


def _function(told: Any, where: str) -> FunctionSource | None:
    """As `_relation`."""
    if told is None:
        return None
    try:
        relation = _relation(told["relation"], where)
        arguments = tuple(Argument(**{**one, "choices": tuple(one["choices"])}) for one in told["arguments"])
        return FunctionSource(
            **{**told, "relation": relation, "arguments": arguments, "square": tuple(told["square"])}
        )
    except (TypeError, KeyError) as error:
        raise _bad(where, "function", told, "what registering wrote") from error


def _service(told: Any, where: str) -> ServiceSource | None:
    """As `_relation`."""
    if told is None:
        return None
    try:
        levels = tuple(ServiceLevel(*level) for level in told["levels"])
        lists = {name: tuple(told.get(name, ())) for name in ("parts", "systems")}
        return ServiceSource(**{**told, "levels": levels, **lists})
    except (TypeError, KeyError) as error:
        raise _bad(where, "service", "(hidden)", "what registering wrote") from error


def _relation(told: Any, where: str) -> Relation | None:
    """What `to_json` wrote; nobody writes it by hand."""
    if told is None:
        return None
    try:
        boxes = {"domain": BoundingBox(*told["domain"]), "extent": tuple(told["extent"])}
        return Relation(**{**told, **boxes})
    except (TypeError, KeyError) as error:
        raise _bad(where, "relation", told, "what registering wrote") from error


def _only(data: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    for name in data:
        if name not in allowed:
            raise _bad(where, str(name), data[name], f"one of {', '.join(sorted(allowed))}")


def _text(
    data: Mapping[str, Any], name: str, where: str, *, default: str = "", required: bool = False
) -> str:
    value = data.get(name)
    if value is None and not required:
        return default
    if not isinstance(value, str) or (required and not value):
        raise _bad(where, name, value, "a text")
    return value


def _optional(data: Mapping[str, Any], name: str, where: str) -> str | None:
    return _text(data, name, where) or None


def _texts(data: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = data.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise _bad(where, name, value, "a list of texts")
    return tuple(value)


def _title(data: Mapping[str, Any], name: str, where: str, *, required: bool = False) -> Text:
    value = data.get(name)
    if value is None and not required:
        return NO_TEXT
    if isinstance(value, str) and value:
        return Text(value, value)
    if isinstance(value, Mapping) and set(value) <= {"zh", "en"}:
        zh, en = (str(value.get(language) or "") for language in ("zh", "en"))
        if zh or en or not required:
            return Text(zh or en, en or zh)
    raise _bad(where, name, value, 'a title { zh = "…", en = "…" }')


def _choice(
    data: Mapping[str, Any], name: str, where: str, allowed: tuple[_T, ...], default: _T | None
) -> _T:
    value = data.get(name, default)
    for choice in allowed:
        if value == choice:
            return choice
    raise _bad(where, name, value, f"one of {', '.join(allowed)}")


def _zoom(data: Mapping[str, Any], name: str, where: str, default: int) -> int:
    value = data.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 24:
        raise _bad(where, name, value, "a zoom from 0 to 24")
    return value


def _kilobytes(data: Mapping[str, Any], name: str, where: str) -> int:
    value = data.get(name, Layer.tile_kb)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 500:
        raise _bad(where, name, value, "kilobytes, from 1 to 500")
    return value


def _reach(data: Mapping[str, Any], name: str, where: str) -> float:
    value = data.get(name, 0.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MOST_REACH_M:
        raise _bad(where, name, value, f"metres from 0 to {MOST_REACH_M}")
    return float(value)


def _flag(data: Mapping[str, Any], name: str, where: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise _bad(where, name, value, "true or false")
    return value


def _bad(where: str, name: str, value: object, expected: str) -> BadData:
    return BadData(
        f"图层说明 {where} 的 {name} 有误：{value!r}，应为 {expected}",
        f"layer description {where}: {name} is {value!r}, expected {expected}",
        file=where,
        field=name,
        value=str(value)[:200],
        expected=expected,
    )
