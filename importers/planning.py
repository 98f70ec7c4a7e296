"""What an import will do, decided before a row is written: which layer each source is for, in which order.

Sources for one layer are one delivery, published as one version; a pipe survey's points and lines are one
delivery of two layers. Everything wrong with a file as a whole is raised here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import shapely

from gis.crs import reproject
from importers.deliver_raster import RasterPart, plan_raster
from importers.derive import derivable
from importers.describe import describe
from importers.errors import NoMatch
from importers.match import Matching, match, with_key
from importers.options import ImportOptions
from importers.pipe_table import halves
from importers.pipes import LINE, NODE
from importers.place import placed
from importers.readings import ReadingColumns, no_readings, reading_columns
from importers.recognise import fits, own_layer_id, recognise
from importers.shaped import place_columns
from importers.source import CHUNK_ROWS, Found, Source
from layers.catalogue import refuse_registered
from layers.description import field_name
from layers.errors import BadRequest
from layers.model import LAYER_ID, BoundingBox, Field, GeometryType, Layer, TopologyRule
from layers.staged_readings import READINGS

ORDER = (
    "district", "street", "community", "unit_grid", "road", "water_area", "green_area", "building",
    "address", "component", NODE, LINE, "station",
)  # fmt: skip
"""Known layers, those that others take codes from first."""


OWN_TOPOLOGY: Mapping[GeometryType, tuple[TopologyRule, ...]] = {
    "MultiPolygon": ("overlaps", "gaps"),
    "MultiLineString": ("ends",),
}
"""What may be asked of the shapes of a layer of one's own."""


class Part(NamedTuple):
    """One source and the layer it is for. `needs_nodes`: a line table without coordinates."""

    source: Source
    layer: Layer
    matching: Matching
    recognised: Found
    needs_nodes: bool = False


class Choice(NamedTuple):
    """A source and the id of the layer it is for, existing or not."""

    source: Source
    layer_id: str
    found: Found


@dataclass(frozen=True)
class Delivery:
    """Parts that are published together, in one transaction; or, `readings`, stored together; or a raster."""

    kind: Literal["layers", "readings", "raster"]
    parts: tuple[Part, ...] = ()
    raster: RasterPart | None = None
    readings: tuple[tuple[Source, ReadingColumns], ...] = ()

    def by_layer(self) -> dict[str, list[Part]]:
        """The parts of each layer, nodes before lines."""
        groups: dict[str, list[Part]] = {}
        for part in sorted(self.parts, key=lambda p: _rank(p.layer.id)):
            groups.setdefault(part.layer.id, []).append(part)
        return groups


def plan(sources: Sequence[Source], layers: Mapping[str, Layer], options: ImportOptions) -> list[Delivery]:
    """The deliveries for `sources`, in the order in which they have to be published.

    `layers`: those in the catalogue. Reads the files of layers that have to be described; raises a
    `BadFile` for the first source that cannot be placed or matched.
    """
    readings: list[tuple[Source, ReadingColumns]] = []
    chosen: list[Choice] = []
    taken: dict[str, Source] = {}
    for source in halves(sources, layers, options):
        if source.pixels is not None or options.leaves_out(source.title):
            continue
        said = options.of(source.title)
        columns = reading_columns(source, said.columns) if said.layer_id in (None, READINGS) else None
        if columns is None and said.layer_id == READINGS:
            raise no_readings(source)
        if columns is not None:
            readings.append((source, columns))
        else:
            chosen.append(choose(source, layers, said, taken))
    city = layers["district"].bounds if "district" in layers else None
    parts: list[Part] = []
    for choice in sorted(chosen, key=lambda c: _rank(c.layer_id)):
        part = _part(choice, layers, options.of(choice.source.title), city)
        parts.append(part)
        if choice.layer_id == "district":
            city = _joined(city, part.source)
    groups: dict[str, list[Part]] = {}
    of_points = {part.source.path for part in parts if part.layer.id == NODE}
    for part in parts:
        is_theirs = part.layer.id == LINE and (part.needs_nodes or part.source.path in of_points)
        together = NODE if is_theirs else part.layer.id
        groups.setdefault(together, []).append(part)
    ordered = sorted(groups, key=_rank)
    deliveries = [Delivery("layers", tuple(groups[name])) for name in ordered]
    rasters = [
        plan_raster(source, layers, options.of(source.title), city)
        for source in sources
        if source.pixels is not None and not options.leaves_out(source.title)
    ]
    rasters.sort(key=lambda part: (part.layer.id, part.taken.value))
    deliveries += [Delivery("raster", raster=part) for part in rasters]
    return [*deliveries, Delivery("readings", readings=tuple(readings))] if readings else deliveries


def choose(
    source: Source, layers: Mapping[str, Layer], options: ImportOptions, taken: dict[str, Source]
) -> Choice:
    """The id of the layer that `source` is for, said, recognised or of its own; ids made go to `taken`.

    Raises `Conflict` if a registered table was said.
    """
    if options.layer_id is not None:
        found = Found(options.layer_id, "由导入者指定", "said by the importer")
        known = options.layer_id in layers
        if known:
            refuse_registered(layers[options.layer_id])
        return Choice(source, options.layer_id if known else _new_id(options.layer_id), found)
    if source.for_layer is not None:
        found = Found(
            source.for_layer, "点线合一的管线成果表", "a pipe survey of points and lines in one table"
        )
        return Choice(source, source.for_layer, found)
    best = recognise(source, [la for la in layers.values() if not la.is_read_where_it_is], options.columns)
    if best is not None:
        return Choice(source, best.layer.id, best.found)
    not_for_files = [la.id for la in layers.values() if la.known or la.is_read_where_it_is]
    layer_id = own_layer_id(source, not_for_files)
    while layer_id in taken and taken[layer_id] is not source:
        layer_id = f"{layer_id}_2"
    taken[layer_id] = source
    words = Found(
        layer_id,
        "没有足够相符的已知图层，自成一个图层",
        "no known layer fits well enough; a layer of its own",
    )
    return Choice(source, layer_id, words)


def _part(
    choice: Choice, layers: Mapping[str, Layer], options: ImportOptions, city: BoundingBox | None
) -> Part:
    layer = layers.get(choice.layer_id)
    if layer is not None and not layer.has_rows:
        raise NoMatch(
            choice.source.title,
            f"图层“{layer.title.zh}”（{layer.id}）是栅格图层，不能导入要素；请另给图层标识",
            f"layer {layer.id!r} is a raster and takes no rows; give this file a layer id of its own",
            found=choice.source.format,
            expected="GeoTIFF",
        )
    if layer is not None and layer.known:
        return _known(choice.source, layer, options, choice.found, city)
    return _own(choice.source, options, choice.layer_id, layers, choice.found, city)


def _joined(city: BoundingBox | None, source: Source) -> BoundingBox:
    """The box round the districts of `source` (placed) and those known already."""
    assert source.crs is not None
    boxes = [] if city is None else [shapely.box(*city)]
    for chunk in source.read(CHUNK_ROWS):
        if chunk.geometry is not None:
            boxes += [shape for shape in reproject(chunk.geometry, source.crs) if shape is not None]
    return BoundingBox(*(float(v) for v in shapely.total_bounds(boxes)))


def _known(
    source: Source, layer: Layer, options: ImportOptions, found: Found, city: BoundingBox | None
) -> Part:
    """A source for a known layer, placed and matched; raises `NoMatch` if it lacks what the layer needs."""
    needs_nodes = layer.id == LINE and source.geometry_type is None and place_columns(source, options) is None
    if not needs_nodes:
        source = placed(source, options, city)
        _check_geometry(source, layer)
    matching = match(source, layer, said_of(source, layer, options))
    if options.layer_id is not None:
        matching = with_key(matching, layer)
    _check_needed(source, layer, matching)
    return Part(source, layer, matching, found, needs_nodes)


def said_of(source: Source, layer: Layer, options: ImportOptions) -> Mapping[str, str]:
    """Which column is which field, as the importer and then the reader say; of a half table, its own part."""
    if source.for_layer is None:
        return options.columns
    names = source.schema.names
    ours = {c: n for c, n in options.columns.items() if c in names and (n == "" or layer.field(n))}
    taken = set(ours.values())
    return {**{c: n for c, n in source.said.items() if c not in ours and n not in taken}, **ours}


def _own(
    source: Source,
    options: ImportOptions,
    layer_id: str,
    layers: Mapping[str, Layer],
    found: Found,
    city: BoundingBox | None,
) -> Part:
    """A source for a layer of its own: described anew, or as it was described when it came first."""
    source = placed(source, options, city)
    standing = layers.get(layer_id)
    said = {column: name for column, name in options.columns.items() if not name.startswith("@")}
    if standing is None:
        layer = _asked_of(describe(source, layer_id, options.title), options)
        return Part(source, layer, match(source, layer, {c: n for c, n in said.items() if n == ""}), found)
    matching = match(source, standing, said)
    if len(matching.pairs) * 2 < len(standing.fields):
        raise NoMatch(
            source.title,
            f"与已有图层“{standing.title.zh}”（{standing.id}）的字段大多不符；请另给图层标识",
            f"most fields of the layer {standing.id!r} are missing; give this file a layer id of its own",
            found=", ".join(source.schema.names[:20]),
            expected=", ".join(standing.field_names[:20]),
        )
    _check_geometry(source, standing)
    _check_needed(source, standing, matching)
    dropped = [column for column, name in said.items() if name == ""]
    if any(column not in dropped for column in matching.unmapped):
        standing = _widened(standing, describe(source, layer_id), matching)
        matching = match(source, standing, said)
    return Part(source, _asked_of(standing, options), matching, found)


def _asked_of(layer: Layer, options: ImportOptions) -> Layer:
    """`layer` with the topology that a person asks of it; raises `BadRequest` for what cannot be asked."""
    possible = OWN_TOPOLOGY.get(layer.geometry_type, ())
    for rule in options.topology:
        if rule not in possible:
            raise BadRequest(
                f"图层“{layer.title.zh}”（{layer.geometry_type}）不能要求拓扑规则 {rule}",
                f"topology {rule!r} cannot be asked of {layer.id!r}, a layer of {layer.geometry_type}",
                field="topology",
                value=rule,
                expected=", ".join(possible) or "none",
            )
    return replace(layer, topology={**layer.topology, **options.topology}) if options.topology else layer


def _widened(standing: Layer, described: Layer, matching: Matching) -> Layer:
    """`standing` with fields for the columns it does not have yet."""
    fields = list(standing.fields)
    for field in described.fields:
        original = field.aliases[0] if field.aliases else field.name
        if original in matching.unmapped:
            fields.append(replace(field, name=field_name(field.name, [f.name for f in fields])))
    return replace(standing, fields=tuple(fields))


def _new_id(text: str) -> str:
    if not LAYER_ID.fullmatch(text) or text.endswith("__past"):
        raise BadRequest(
            f"图层标识“{text}”不合规则：小写字母开头，只含小写字母、数字和下划线，最长 48",
            f"{text!r} cannot be a layer's id: lower-case letters, digits and _, a letter first, 48 at most",
            field="layer_id",
            value=text,
            expected="[a-z][a-z0-9_]*, at most 48 characters",
        )
    return text


def _check_geometry(source: Source, layer: Layer) -> None:
    if fits(source, layer):
        return
    raise NoMatch(
        source.title,
        f"图形是 {source.geometry_type}，图层“{layer.title.zh}”要求 {layer.geometry_type}",
        f"its geometries are {source.geometry_type}; the layer {layer.id!r} holds {layer.geometry_type}",
        found=str(source.geometry_type),
        expected=layer.geometry_type,
    )


def lacking_fields(layer: Layer, matching: Matching) -> list[Field]:
    """Fields that the layer needs, and that no column gives and nothing can be derived from."""
    have = {pair.field.name for pair in matching.pairs}
    have |= derivable(layer.id, have)
    return [f for f in layer.fields if (f.required or f.name == layer.key) and f.name not in have]


def _check_needed(source: Source, layer: Layer, matching: Matching) -> None:
    lacking = lacking_fields(layer, matching)
    if not lacking:
        return
    shown_zh = "、".join(f"{f.title.zh}（{f.name}）" for f in lacking)
    shown_en = ", ".join(f"{f.title.en} ({f.name})" for f in lacking)
    raise NoMatch(
        source.title,
        f"缺少图层“{layer.title.zh}”必需的字段：{shown_zh}；文件的列有：{'、'.join(source.schema.names[:20])}",
        f"fields that the layer {layer.id!r} needs are missing: {shown_en};"
        f" the columns are {', '.join(source.schema.names[:20])}",
        found=", ".join(source.schema.names[:30]),
        expected=", ".join(f.name for f in lacking),
        aliases={f.name: list(f.aliases) for f in lacking},
    )


def _rank(layer_id: str) -> tuple[int, str]:
    return (ORDER.index(layer_id) if layer_id in ORDER else len(ORDER), layer_id)
