"""A raster on its way to a layer: planned, converted once, published as the next version."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import ceil, cos, floor, log2, pi, radians
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import shapely

from gis.crs import CRS, describe, reproject, route
from gis.matrix_sets import METRES_PER_DEGREE, TILE_PIXELS
from importers.errors import BadFile, NoMatch, UnknownPlace
from importers.options import ImportOptions, Progress, Step
from importers.place import placed
from importers.raster_apart import converted_apart
from importers.recognise import own_layer_id
from importers.report import Count, ImportReport, State
from importers.source import Found, Pixels, Source
from importers.taken import when_taken, without_date
from layers.brought import Brought
from layers.db import Database
from layers.errors import OneMapError
from layers.import_runs import RunEnd, begin_run, end_run
from layers.model import LAYER_ID, BoundingBox, Layer, RasterBand, RasterFile, RasterMeaning, Text, Version
from layers.origins import origin_json
from layers.raster_files import staged_name
from layers.rasters import publish_raster
from layers.staged_rasters import StagedRaster

CITY_MARGIN = 0.2
"""Degrees beyond the published districts (some 20 km) up to which a raster is taken to be of the city."""
DEEPEST = 22
THEME = "imagery"
_HEIGHTS = ("dem", "dsm", "dtm", "dhm", "高程", "地形", "地面模型", "表面模型")


class RasterPart(NamedTuple):
    """A placed raster, the layer it is for, when it was taken and what its pixels are."""

    source: Source
    layer: Layer
    bounds: BoundingBox
    taken: Found
    meaning: Found
    outline: shapely.Polygon
    """The edge of its grid, in EPSG:4490."""


def plan_raster(
    source: Source, layers: Mapping[str, Layer], options: ImportOptions, city: BoundingBox | None
) -> RasterPart:
    """Which layer a raster is for, with everything that can be wrong with the file as a whole raised."""
    assert source.pixels is not None
    if options.frame not in (None, "cgcs2000", "wgs84"):
        raise BadFile(
            source.title,
            f"栅格不能按 {options.frame} 纠偏，请先转换为 CGCS2000 再导入",
            f"a raster cannot be moved from {options.frame}; convert it to CGCS2000 first",
            found=str(options.frame),
            expected="cgcs2000 or wgs84",
        )
    source = placed(source, replace(options, swapped=False), city)
    if source.route is not None:
        raise BadFile(
            source.title,
            "栅格不能由地方坐标系直接换算（格网会旋转）；请先用 gdalwarp 转换到国家坐标系再导入",
            "a raster cannot be brought out of a city-local system here, as its grid would turn; warp it into"
            " a national one first",
            found=str(options.crs),
            expected="EPSG:n",
        )
    outline = _outline(source)
    bounds = BoundingBox(*(float(v) for v in outline.bounds))
    if city is not None and not options.anywhere and not _is_near(bounds, city):
        raise UnknownPlace(
            source.title,
            f"影像范围（{_shown(bounds)}）远在本市（{_shown(city)}）以外；坐标系可能有误，请用 --crs 指定",
            f"the raster ({_shown(bounds)}) lies far outside the city ({_shown(city)}); perhaps the reference"
            " system is wrong: say it by --crs",
            found=_shown(bounds),
            expected=_shown(city),
        )
    meaning = _meaning(source, options)
    layer = _layer(source, layers, options, bounds, cast(RasterMeaning, meaning.value))
    taken = when_taken(source.file, source.pixels, options, date.today())
    return RasterPart(source, layer, bounds, taken, meaning, outline)


def on_top_of(part: RasterPart, layers: Mapping[str, Layer]) -> RasterPart:
    """`part` for the layer as it stands now, after what was delivered before it."""
    standing = layers.get(part.layer.id)
    if standing is None:
        return part
    first, last = part.layer.min_zoom, part.layer.max_zoom
    widened = replace(standing, min_zoom=min(first, standing.min_zoom), max_zoom=max(last, standing.max_zoom))
    return part._replace(layer=widened)


async def deliver_raster(
    db: Database, part: RasterPart, folder: Path | None, options: ImportOptions, progress: Progress
) -> ImportReport:
    """Converts a raster into `folder` and publishes it. Raises a `BadFile` if its pixels are not whole."""
    begun = time.monotonic()
    source, layer = part.source, part.layer
    if folder is None:
        raise without_folder(source)
    run_id = await begin_run(db, file_name=source.title, layer_id=layer.id, by=options.by)
    state: State = "dry_run"
    version: Version | None = None
    try:
        progress(Step(source.title, "reading", 0, 1))
        name = await asyncio.to_thread(_name, part)
        standing = [one for one in layer.rasters if one.taken == part.taken.value]
        if standing and standing[-1].name == name:
            state = "unchanged"
        elif not options.dry_run:
            raster = await asyncio.to_thread(_converted, part, folder, name)
            progress(Step(source.title, "publishing", 1, 1))
            report = _report(part, "published", None, time.monotonic() - begun, run_id)
            assert report.origin is not None
            told = {**report.to_json(), "origins": {layer.id: [origin_json(report.origin)]}}
            version = await publish_raster(db, layer, raster, by=options.by, note=options.note, report=told)
            state = "published"
    except BaseException as error:
        fault = {"zh": error.zh, "en": error.en} if isinstance(error, OneMapError) else {}
        await end_run(db, run_id, "failed", {"fault": fault})
        raise
    progress(Step(source.title, "done", 1, 1))
    report = _report(part, state, version, time.monotonic() - begun, run_id)
    ended: RunEnd = "cancelled" if state == "dry_run" else cast(RunEnd, state)
    await end_run(db, run_id, ended, report.to_json())
    return report


async def stage_raster(db: Database, part: RasterPart, brought: Brought, progress: Progress) -> ImportReport:
    """Converts a raster into a file that waits with `brought` to be published, in a process of its own.

    Raises a `BadFile` if its pixels are not whole, or `brought` has no place for files.
    """
    begun = time.monotonic()
    source, layer, files = part.source, part.layer, brought.files
    if files is None:
        raise without_folder(source)
    progress(Step(source.title, "reading", 0, None))
    name = await asyncio.to_thread(_name, part)
    file: str | None = None
    bands: tuple[RasterBand, ...] = ()
    standing = [one for one in layer.rasters if one.taken == part.taken.value]
    if not standing or standing[-1].name != name:
        progress(Step(source.title, "converting", 0, None))
        file = staged_name(files.run_id)
        target = files.folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels, crs, meaning = _grid(part)
        bands = await converted_apart(source.path, source.file, target, pixels, crs, meaning)
    target = files.folder / (file or name)
    raster = _raster_file(part, name, target, bands)
    report = _report(part, "staged", None, time.monotonic() - begun, None)
    assert report.origin is not None
    told = {**report.to_json(), "origins": {layer.id: [origin_json(report.origin)]}}
    replaces = standing[-1].version if standing and file is not None else None
    brought.rasters.append(StagedRaster(layer, raster, file, layer.version, replaces, told))
    return report


def without_folder(source: Source) -> BadFile:
    """The refusal of a raster where nothing keeps files of rasters."""
    return BadFile(
        source.title,
        "这是栅格，而本服务没有存放栅格的文件夹；请在服务器上用 onemap import 导入",
        "this is a raster, and this service keeps no folder for them; bring it with `onemap import`",
        found="GeoTIFF",
        expected="vector data or a table",
    )


def _grid(part: RasterPart) -> tuple[Pixels, CRS, RasterMeaning]:
    pixels, crs = part.source.pixels, part.source.crs
    assert pixels is not None
    assert crs is not None
    return pixels, crs, cast(RasterMeaning, part.meaning.value)


def _name(part: RasterPart) -> str:
    """Where the file goes in the folder of rasters: the same content and evidence, the same name."""
    from importers.raster_cog import fingerprint  # a library that takes longer to load than a small import

    pixels, crs, _ = _grid(part)
    digest = fingerprint(part.source.path, crs.to_wkt(), pixels.nodata, part.meaning.value)
    return f"{part.layer.id}/{part.taken.value}-{digest}.tif"


def _converted(part: RasterPart, folder: Path, name: str) -> RasterFile:
    from importers.raster_cog import ranges, write_cog

    target = folder / name
    pixels, crs, meaning = _grid(part)
    write_cog(part.source.path, part.source.file, target, pixels, crs, meaning)
    return _raster_file(part, name, target, ranges(target, pixels))


def _raster_file(part: RasterPart, name: str, target: Path, bands: tuple[RasterBand, ...]) -> RasterFile:
    """What is kept of a raster whose file is `target`, and will be called `name`."""
    pixels, crs, meaning = _grid(part)
    return RasterFile(
        version=0,
        name=name,
        taken=part.taken.value,
        meaning=meaning,
        width=pixels.width,
        height=pixels.height,
        pixel_m=round(_pixel_m(part.bounds, pixels), 4),
        crs=describe(crs),
        bands=bands,
        bounds=part.bounds,
        size_bytes=target.stat().st_size,
    )


def _layer(
    source: Source,
    layers: Mapping[str, Layer],
    options: ImportOptions,
    bounds: BoundingBox,
    meaning: RasterMeaning,
) -> Layer:
    """The standing layer, reaching as deep as this raster; or a new one, named after the file."""
    assert source.pixels is not None
    stem = own_title(source)
    undated = replace(source, file=f"{stem}.tif", name=stem)
    layer_id = options.layer_id or own_layer_id(undated, [i for i, known in layers.items() if known.known])
    first, last = _zooms(bounds, source.pixels)
    standing = layers.get(layer_id)
    if standing is None:
        if not LAYER_ID.fullmatch(layer_id) or "__" in layer_id:
            raise NoMatch(
                source.title,
                f"图层标识“{layer_id}”不合规则：小写字母开头，只含小写字母、数字和单个下划线",
                f"{layer_id!r} cannot be a layer's id: lower-case letters, digits and single _",
                found=layer_id,
                expected="[a-z][a-z0-9_]*",
            )
        title = options.title or stem
        return Layer(
            id=layer_id,
            title=Text(title, title),
            theme=THEME,
            geometry_type="Geometry",
            fields=(),
            kind="raster",
            min_zoom=first,
            max_zoom=last,
            source=source.file,
        )
    if standing.kind != "raster":
        raise NoMatch(
            source.title,
            f"图层“{standing.title.zh}”（{layer_id}）不是栅格图层；请另给图层标识",
            f"layer {layer_id!r} is no raster layer; give this file a layer id of its own",
            found="GeoTIFF",
            expected="rows",
        )
    if standing.rasters and standing.rasters[-1].meaning != meaning:
        raise NoMatch(
            source.title,
            f"图层“{standing.title.zh}”（{layer_id}）是 {standing.rasters[-1].meaning}，此文件是 {meaning}",
            f"layer {layer_id!r} holds {standing.rasters[-1].meaning}, this file {meaning}",
            found=meaning,
            expected=standing.rasters[-1].meaning,
        )
    return replace(standing, min_zoom=min(first, standing.min_zoom), max_zoom=max(last, standing.max_zoom))


def _meaning(source: Source, options: ImportOptions) -> Found:
    """What the pixels are: said, or told from bands, types and the name."""
    pixels = source.pixels
    assert pixels is not None
    if options.meaning is not None:
        return Found(options.meaning, "由导入者指定", "said by the importer")
    name, kind = source.file.lower(), pixels.types[0]
    if pixels.has_palette:
        return Found("classes", "带调色板", "it has a palette")
    if len(pixels.types) >= 3 and kind in ("uint8", "uint16"):
        return Found("image", f"{len(pixels.types)} 个 {kind} 波段", f"{len(pixels.types)} bands of {kind}")
    word = next((word for word in _HEIGHTS if word in name), None)
    if len(pixels.types) == 1 and word is not None:
        return Found("elevation", f"单波段 {kind}，名称含“{word}”", f"one band of {kind}, named {word!r}")
    if len(pixels.types) == 1 and kind == "uint8":
        return Found("image", "单波段灰度", "one band of grey")
    return Found("values", f"{kind} 数值", f"values of type {kind}")


def own_title(source: Source) -> str:
    """What a raster's layer is called after its file, whatever its date."""
    return without_date(Path(source.file).stem)


def _outline(source: Source) -> shapely.Polygon:
    assert source.crs is not None
    (chunk,) = source.read(1)
    assert chunk.geometry is not None
    outline = reproject(chunk.geometry, source.crs)[0]
    if outline is None or outline.is_empty:
        raise UnknownPlace(
            source.title,
            "范围超出坐标系的适用区域",
            "the raster lies beyond what its reference system covers",
            found=str(np.round(shapely.bounds(chunk.geometry[0]), 1).tolist()),
            expected=f"coordinates in {describe(source.crs)}",
        )
    return cast(shapely.Polygon, outline)


def _is_near(bounds: BoundingBox, city: BoundingBox) -> bool:
    return bool(shapely.box(*bounds).intersects(shapely.box(*city).buffer(CITY_MARGIN, join_style="mitre")))


def _shown(box: Sequence[float]) -> str:
    return "{:.3f}, {:.3f} – {:.3f}, {:.3f}".format(*box)


def _pixel_m(bounds: BoundingBox, pixels: Pixels) -> float:
    """Side of a pixel on the ground, about: the mean of both sides."""
    width_m = (
        (bounds.east - bounds.west) * METRES_PER_DEGREE * cos(radians((bounds.south + bounds.north) / 2))
    )
    height_m = (bounds.north - bounds.south) * METRES_PER_DEGREE
    return (width_m / pixels.width + height_m / pixels.height) / 2


def _zooms(bounds: BoundingBox, pixels: Pixels) -> tuple[int, int]:
    """Zooms of the Web Mercator quad: from where the raster is a speck to where its pixels are shown each."""
    round_m = 2 * pi * 6378137.0 * cos(radians((bounds.south + bounds.north) / 2)) / TILE_PIXELS
    pixel_m = _pixel_m(bounds, pixels)
    last = ceil(log2(round_m / pixel_m) - 0.1)
    first = floor(log2(round_m / (pixel_m * max(pixels.width, pixels.height) / 16)))
    last = min(max(last, 0), DEEPEST)
    return min(max(first, 0), last), last


def _report(
    part: RasterPart, state: State, version: Version | None, seconds: float, run_id: uuid.UUID | None
) -> ImportReport:
    source, layer = part.source, part.layer
    assert source.crs is not None
    notes = [Count(note.rule, "noted", note.times, note.zh, note.en) for note in source.notes]
    for rule, zh, en, found in (
        ("raster.taken", "日期", "taken", part.taken),
        ("raster.meaning", "内容", "its pixels are", part.meaning),
    ):
        notes.append(
            Count(rule, "noted", 1, f"{zh}：{found.value}（{found.zh}）", f"{en}: {found.value} ({found.en})")
        )
    words = Found(layer.id, "GeoTIFF 栅格", "a GeoTIFF raster")
    return ImportReport(
        file=source.title,
        layer_id=layer.id,
        layer_title=layer.title,
        state=state,
        read=1,
        kept=1,
        refused=0,
        counts=tuple(notes),
        findings=(),
        details={},
        recognised=words,
        matched={},
        unmapped=(),
        encoding=None,
        crs=source.crs_found,
        route=route(source.crs),
        crs_assumed=source.crs_assumed,
        difference=None,
        version=None if version is None else version.number,
        seconds=seconds,
        run_id=None if run_id is None else str(run_id),
        is_new_layer=not layer.rasters,
    )
