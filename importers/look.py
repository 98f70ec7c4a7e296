"""A look at files before they are read: what each table seems to be, so that a person can say otherwise.

Opens and samples, writes nothing. What reading would refuse because it cannot be told is said as a trouble,
with the choices there are and the likeliest of them drawn; only a file that is wrong as a whole raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gis.crs import route_in_frame
from importers.by_code import located
from importers.describe import describe
from importers.errors import BadEncoding, BadFile, UnknownPlace
from importers.local_systems import PREFIX, named_systems
from importers.look_raster import look_at_raster, raster_json
from importers.look_readings import Places, look_at_readings
from importers.match import Matching, match, with_key
from importers.names import folded
from importers.opening import opened
from importers.options import ImportOptions, Progress, Step
from importers.picture import picture
from importers.pipe_table import halves
from importers.pipes import LINE
from importers.planning import choose, lacking_fields, said_of
from importers.readings import reading_columns
from importers.recognise import fits, likely
from importers.sampling import Sample, sampled
from importers.shaped import CODE, X, Y, place_columns
from importers.shaped import WKT as WHOLE
from importers.source import Source
from importers.whereabouts import Looked, Whereabouts, look_at_place
from layers.access import SYSTEM, scope_for
from layers.catalogue import known_layers, list_layers
from layers.db import Database
from layers.errors import BadRequest
from layers.model import BoundingBox, Field, Layer, Text
from layers.points import key_points
from layers.readings import STATION_LAYER
from layers.staged_readings import READINGS

MOST_TABLES = 50
"""Tables of one import that are looked at; the rest is counted."""
SAMPLES = 5
SAMPLE_CHARACTERS = 40
CANDIDATES = 6
ENCODINGS = ("utf-8", "gb18030", "big5", "cp1252")
"""What a text may be in, for a person to choose from."""
_LIKELIEST = "gb18030"
_Said = Mapping[str, str]


async def look_at_files(
    db: Database, paths: Sequence[Path], options: ImportOptions, progress: Progress
) -> dict[str, Any]:
    """What is seen in the files, as JSON values: `tables`, `passed_over`, `more` (tables not looked at).

    Raises a `BadFile` for a file that is wrong as a whole.
    """
    layers = {layer.id: layer for layer in await list_layers(db)} or {la.id: la for la in known_layers()}
    loop = asyncio.get_running_loop()

    def tell(step: Step) -> None:
        loop.call_soon_threadsafe(progress, step)

    for path in paths:
        progress(Step(path.name, "opening", 0, None))
    stations = await _stations(db, layers.get(STATION_LAYER))

    def locate(source: Source, said: ImportOptions) -> Source:
        return asyncio.run_coroutine_threadsafe(located(db, source, layers, said), loop).result()

    around = _Around(layers, layers["district"].bounds if "district" in layers else None, stations, locate)
    return await asyncio.to_thread(_look, [Path(p) for p in paths], around, options, tell)


class _Around(NamedTuple):
    """What stands, by which tables are recognised; `locate` places one by codes (`importers.by_code`)."""

    layers: Mapping[str, Layer]
    city: BoundingBox | None
    stations: Places
    locate: Callable[[Source, ImportOptions], Source]


async def _stations(db: Database, layer: Layer | None) -> Places:
    if layer is None or layer.version == 0:
        return {}
    codes, points = await key_points(db, scope_for(SYSTEM, layer))
    return dict(zip(codes, points, strict=True))


def _look(paths: Sequence[Path], around: _Around, options: ImportOptions, tell: Progress) -> dict[str, Any]:
    passed_over: list[str] = []
    tables: list[dict[str, Any]] = []
    taken: dict[str, Source] = {}
    with ExitStack() as stack:
        found: list[tuple[Source, BadEncoding | None]] = []
        for path in paths:
            sources, doubt = _opened(stack, path, options, passed_over)
            found += [(source, doubt) for source in halves(sources, around.layers, options)]
        for position, (source, doubt) in enumerate(found[:MOST_TABLES]):
            tell(Step(source.title, "looking", position, len(found)))
            table = _Table(source, doubt, options, around)
            tables.append(table.seen(taken))
    return {
        "tables": tables,
        "passed_over": passed_over,
        "more": max(0, len(found) - MOST_TABLES),
        "city": None if around.city is None else list(around.city),
        "local_systems": named_systems(options.systems),
    }


def _opened(
    stack: ExitStack, path: Path, options: ImportOptions, passed_over: list[str]
) -> tuple[list[Source], BadEncoding | None]:
    """The sources of one path; where its encoding cannot be told, those of the likeliest, and why."""

    def note(passed: Path) -> None:
        passed_over.append(passed.name)

    try:
        return stack.enter_context(opened([path], options, note)), None
    except BadEncoding as error:
        if options.encoding is not None:
            raise
        passed_over.clear()
        guessed = replace(options, encoding=_LIKELIEST)
        return stack.enter_context(opened([path], guessed, note)), error


class _Table:
    """One table on its way to be described."""

    def __init__(
        self,
        source: Source,
        doubt: BadEncoding | None,
        options: ImportOptions,
        around: _Around,
    ) -> None:
        self.name = source.title
        self.left_out = options.leaves_out(self.name)
        self.options = options.of(self.name)
        self.sample: Sample = sampled(source)
        self.source = self.sample.source
        self.encoding_doubt = doubt
        self.layers = around.layers
        self.city = around.city
        self.stations = around.stations
        self.locate = around.locate
        self.troubles: list[dict[str, Any]] = []

    def seen(self, taken: dict[str, Source]) -> dict[str, Any]:
        """The table as JSON values."""
        if self.source.pixels is not None:
            return self._head() | self._raster()
        if self.encoding_doubt is not None:
            self._trouble("encoding", self.encoding_doubt)
        document = self._head()
        if self._holds_readings():
            return document | self._readings()
        try:
            # Its columns are told of the table itself, which has no shapes of its own.
            self.source = self.locate(self.source, self.options)
        except BadFile as error:
            self._trouble("place", error)
        choice = choose(self.source, self.layers, self.options, taken)
        standing = self.layers.get(choice.layer_id)
        needs_nodes = (
            choice.layer_id == LINE
            and self.source.geometry_type is None
            and place_columns(self.source, self.options) is None
        )
        looked = (
            Looked(None, None, [], None)
            if needs_nodes
            else look_at_place(self.source, self.options, self.city)
        )
        if looked.doubt is not None:
            self._trouble("place", looked.doubt)
        source = looked.source or self.source
        layer = standing or describe(source, choice.layer_id, self.options.title)
        if not fits(source, layer):
            self._say(
                "geometry",
                f"图形是 {source.geometry_type}，图层“{layer.title.zh}”要求 {layer.geometry_type}",
                f"its geometries are {source.geometry_type}; {layer.title.en} holds {layer.geometry_type}",
            )
        matching = self._matching(source, layer, is_new=standing is None)
        lacking = lacking_fields(layer, matching)
        if lacking:
            self._lacking(lacking)
        drawn = picture(source, looked, layer, self.options, self.city)
        self.troubles += drawn.troubles
        return document | {
            "kind": "rows",
            "layer": {
                "id": layer.id,
                "title": layer.title._asdict(),
                "geometry_type": layer.geometry_type,
                "is_new": standing is None,
                "version": 0 if standing is None else standing.version,
                "evidence": {"zh": choice.found.zh, "en": choice.found.en},
                "certainty": self._certainty(layer),
            },
            "candidates": self._candidates(layer.id),
            "crs": self._crs(looked, needs_nodes=needs_nodes),
            "columns": self._columns(
                {pair.column: pair.field.name for pair in matching.pairs},
                self._evidence(source, layer, matching),
            ),
            "fields": [_field(field, layer, lacking) for field in layer.fields],
            "lacking": [field.name for field in lacking],
            "preview": drawn.features,
            "bounds": drawn.bounds,
        }

    def _raster(self) -> dict[str, Any]:
        looked, part, trouble = look_at_raster(self.source, self.layers, self.options, self.city)
        if trouble is not None:
            self._trouble("place" if isinstance(trouble, UnknownPlace) else "raster", trouble)
        crs = self._crs(looked, needs_nodes=False)
        if part is None:
            return {"kind": "raster", "crs": crs}
        return raster_json(part, self.options) | {"crs": crs}

    def _holds_readings(self) -> bool:
        said = self.options.layer_id
        if said == READINGS:
            return self.source.geometry_type is None
        return said is None and reading_columns(self.source, self.options.columns) is not None

    def _readings(self) -> dict[str, Any]:
        said = self.options.columns
        seen = look_at_readings(self.sample, said, self.stations, chosen=self.options.layer_id is not None)
        self.troubles += seen.troubles
        words = {
            column: Text("由导入者指定", "said by the importer")
            if said.get(column) == field
            else Text("列名相符", "by the column's name")
            for column, field in seen.fields.items()
        }
        columns = self._columns(seen.fields, words)
        for column in columns:
            if column["name"] not in seen.fields:
                column |= {"field": None, "evidence": None}  # places of readings are those of their stations
        return seen.document | {"columns": columns, "candidates": self._candidates(READINGS)}

    def _head(self) -> dict[str, Any]:
        source, found = self.source, self.source.encoding
        notes = [{"rule": n.rule, "zh": n.zh, "en": n.en} for n in source.notes]
        return {
            "table": self.name,
            "file": source.file,
            "name": source.name,
            "format": source.format,
            "left_out": self.left_out,
            "rows": source.count if source.count is not None else self.sample.count,
            "sampled": len(self.sample),
            "geometry": source.geometry_type,
            "encoding": None
            if found is None
            else {
                "name": found.value,
                "evidence": {"zh": found.zh, "en": found.en},
                "certain": self.encoding_doubt is None,
                "candidates": list(ENCODINGS) if source.format in ("CSV", "ESRI Shapefile") else [],
            },
            "layer": None,
            "candidates": [],
            "crs": None,
            "columns": [],
            "fields": [],
            "lacking": [],
            "readings": None,
            "raster": None,
            "preview": None,
            "bounds": None,
            "troubles": self.troubles,
            "notes": notes,
        }

    def _crs(self, looked: Looked, *, needs_nodes: bool) -> dict[str, Any] | None:
        choices = [_whereabouts(one) for one in looked.choices]
        if needs_nodes:
            words = Text("端点取自管点", "ends are taken from the pipe points")
            return _crs_document("EPSG:4490", words, certain=True, choices=[])
        placed = looked.source
        if placed is None or placed.crs is None:
            # Coordinates that nothing places may still be those of a system that a person names.
            is_placeable = bool(choices) or isinstance(looked.doubt, UnknownPlace)
            return _crs_document(None, Text("", ""), certain=False, choices=choices) if is_placeable else None
        way = placed.route or route_in_frame(placed.crs, placed.frame)
        found = placed.crs_found
        taken = looked.taken
        words = Text("", "") if found is None else Text(found.zh, found.en)
        if taken is not None:
            words = Text(f"尚未确定，暂按此绘制：{taken.zh}", f"not certain; drawn so for now: {taken.en}")
        code = placed.crs.to_epsg()
        value = placed.crs.name if code is None else f"EPSG:{code}"
        said = self.options.crs
        return _crs_document(
            said if said is not None and said.lower().startswith(PREFIX) else value,
            words,
            certain=looked.doubt is None,
            choices=choices,
        ) | {
            "name": placed.crs.name,
            "epsg": code,
            "swapped": any(note.rule == "place.swapped" for note in placed.notes),
            "frame": taken.frame if taken is not None else self.options.frame,
            "carried": {"zh": way.zh, "en": way.en},
            "error_m": way.error_m,
        }

    def _matching(self, source: Source, layer: Layer, *, is_new: bool) -> Matching:
        said = dict(said_of(source, layer, self.options))
        if is_new:
            said = {column: name for column, name in said.items() if name == ""}
        try:
            found = match(source, layer, said)
        except BadFile as error:
            self._trouble("columns", error)
            found = match(source, layer, {})
        return with_key(found, layer) if layer.known and self.options.layer_id is not None else found

    def _evidence(self, source: Source, layer: Layer, matching: Matching) -> dict[str, Text]:
        return {
            pair.column: why_matched(
                pair.field,
                pair.column,
                self.options.columns,
                layer,
                title=source.titles.get(pair.column),
            )
            for pair in matching.pairs
        }

    def _columns(self, taken: _Said, evidence: Mapping[str, Text]) -> list[dict[str, Any]]:
        """Every column of the file, in its order: some of its values, and the field it becomes."""
        fields = dict(taken)
        table = self.sample.source
        places = place_columns(table, self.options) if table.geometry_type is None else None
        by_code = next((c for c, said in self.options.columns.items() if said == CODE), None)
        if by_code in table.schema.names:
            fields[str(by_code)] = CODE
        elif places is not None:
            named = {places.x: X, places.y: Y, places.wkt: WHOLE}
            fields |= {column: meaning for column, meaning in named.items() if column is not None}
        by_place = Text("用于定位", "says where the row is")
        told = []
        for name in self.source.schema.names:
            if name == self.source.row_id and name not in fields:
                continue
            words = by_place if fields.get(name, "").startswith("@") else evidence.get(name)
            told.append(
                {
                    "name": name,
                    "samples": self.sample.values(name, SAMPLES, SAMPLE_CHARACTERS),
                    "field": fields.get(name),
                    "evidence": None if words is None else words._asdict(),
                }
            )
        return told

    def _certainty(self, layer: Layer) -> float | None:
        """Between 0 and 1; None for a layer of its own, and for one that a person named."""
        if self.options.layer_id is not None:
            return None
        scores = {one.layer.id: one.score for one in self._likely()}
        return round(scores[layer.id], 2) if layer.id in scores else None

    def _candidates(self, layer_id: str) -> list[dict[str, Any]]:
        return [
            {
                "id": one.layer.id,
                "title": one.layer.title._asdict(),
                "certainty": round(one.score, 2),
                "evidence": {"zh": one.found.zh, "en": one.found.en},
            }
            for one in self._likely()[:CANDIDATES]
            if one.layer.id != layer_id
        ]

    def _likely(self) -> list[Any]:
        return likely(self.source, self.layers.values(), self.options.columns)

    def _lacking(self, lacking: Sequence[Field]) -> None:
        zh = "、".join(f"{f.title.zh}（{f.name}）" for f in lacking)
        en = ", ".join(f"{f.title.en} ({f.name})" for f in lacking)
        self._say("fields", f"缺少必需的字段：{zh}", f"fields that the layer needs are missing: {en}")

    def _trouble(self, rule: str, error: BadFile | BadRequest) -> None:
        prefix_zh, prefix_en = f"“{self.name}”：", f"{self.name}: "
        self._say(rule, error.zh.removeprefix(prefix_zh), error.en.removeprefix(prefix_en))

    def _say(self, rule: str, zh: str, en: str) -> None:
        """A trouble that reading would stop at."""
        self.troubles.append({"rule": rule, "stops": True, "zh": zh, "en": en})


def why_matched(field: Field, column: str, said: _Said, layer: Layer, *, title: str | None = None) -> Text:
    """Why a column is taken for a field, in words."""
    if said.get(column) == field.name:
        return Text("由导入者指定", "said by the importer")
    if column == field.name:
        return Text("与字段名相同", "the field's name")
    if column in (field.title.zh, field.title.en):
        return Text("与字段标题相同", "the field's title")
    if column in field.aliases:
        return Text("已知的别名", "a known other name")
    if title is not None and folded(title) in {folded(n) for n in (field.title.zh, *field.aliases)}:
        return Text(f"文件中的字段别名“{title}”", f"the file calls it {title!r}")
    if field.name == layer.key:
        return Text("像标识列", "looks like the key")
    return Text("名称相近", "a name like the field's")


def _field(field: Field, layer: Layer, lacking: Sequence[Field]) -> dict[str, Any]:
    return {
        "name": field.name,
        "title": field.title._asdict(),
        "type": field.type,
        "unit": field.unit,
        "required": field.required or field.name == layer.key,
        "is_key": field.name == layer.key,
        "lacking": field in lacking,
    }


def _crs_document(
    value: str | None, words: Text, *, certain: bool, choices: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "value": value,
        "name": value,
        "epsg": 4490 if value == "EPSG:4490" else None,
        "evidence": words._asdict(),
        "certain": certain,
        "swapped": False,
        "frame": None,
        "carried": None,
        "error_m": None,
        "candidates": choices,
    }


def _whereabouts(one: Whereabouts) -> dict[str, Any]:
    return {
        "crs": one.crs,
        "name": one.name,
        "frame": one.frame,
        "swapped": one.swapped,
        "away_km": None if one.away_km is None else round(one.away_km, 1),
        "evidence": {"zh": one.zh, "en": one.en},
    }
