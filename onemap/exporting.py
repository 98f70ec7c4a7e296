"""`onemap layers export`: a layer as a file, with everything a format could not hold said."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from gis.crs import FRAMES
from gis.errors import UnknownCrs
from gis.outgoing import Outgoing, epsg_system, frame_system, local_outgoing
from importers.local_systems import read_systems
from importers.source import Note
from layers.access import SYSTEM, Scope, scope_for
from layers.catalogue import get_layer
from layers.db import Database
from layers.errors import BadRequest, Conflict
from layers.export import csv_text, each_batch, geojson
from layers.features import Feature
from layers.query import FeatureQuery
from onemap.administration import with_database
from onemap.settings import Settings
from onemap.terminal import out, say

TEXTS = (".geojson", ".csv")
SUFFIXES = (".gpkg", ".shp", ".zip", *TEXTS)
"""`.zip` is a Shapefile packed with its parts."""
FILE_ROWS = 20_000


def export(
    settings: Settings,
    layer_id: str,
    path: Path,
    *,
    version: int | None,
    crs: str,
    encoding: str,
    overwrite: bool,
) -> None:
    """Writes a layer to `path`, whole or not at all. Raises `BadRequest`, `Conflict`, `NotFound`."""
    _check(path, encoding, overwrite=overwrite)
    system = system_of(crs, settings)
    with tempfile.TemporaryDirectory(prefix=".onemap-export-", dir=path.parent) as folder:

        async def work(db: Database) -> tuple[int, tuple[Note, ...]]:
            scope = scope_for(SYSTEM, await get_layer(db, layer_id), version=version)
            return await _written(db, scope, Path(folder), path, system, encoding)

        count, notes = with_database(settings, work)
        for part in sorted(Path(folder).iterdir()):
            os.replace(part, path.parent / part.name)
    out.print(say(f"{path}：{count:,} 行", f"{path}: {count:,} rows"), markup=False)
    for note in notes:
        out.print(say(f"  {note.zh}（{note.times}）", f"  {note.en} ({note.times})"), markup=False)


def system_of(text: str, settings: Settings) -> Outgoing:
    """The system of a name: a frame, `EPSG:n` or `local:NAME`. Raises `BadRequest`."""
    asked = text.strip()
    for frame in FRAMES:
        if asked.lower() == frame:
            # a file says its system by a code, and degrees of CGCS2000 have one
            return epsg_system(4490) if frame == "cgcs2000" else frame_system(frame)
    systems = read_systems(settings.local_systems_file)
    if asked.lower().startswith("local:") and asked[6:] in systems:
        return local_outgoing(systems[asked[6:]])
    if asked.lower().startswith("epsg:") and asked[5:].isdecimal():
        try:
            return epsg_system(int(asked[5:]))
        except UnknownCrs:
            pass
    expected = ", ".join([*FRAMES, "EPSG:n", *(f"local:{name}" for name in systems)])
    raise BadRequest(
        f"不支持的坐标系“{text}”",
        f"coordinate reference system {text!r} is not offered",
        field="crs",
        value=text,
        expected=expected,
    )


async def _written(
    db: Database, scope: Scope, folder: Path, path: Path, system: Outgoing, encoding: str
) -> tuple[int, tuple[Note, ...]]:
    """The layer in `folder` under the names it is to have; its rows, and what the format could not hold."""
    counted = _Counted(each_batch(db, scope, FeatureQuery(), FILE_ROWS))
    suffix = path.suffix.lower()
    if suffix in TEXTS:
        is_plain = system.epsg == 4490
        written = (
            geojson(counted.batches(), scope.layer.title.zh, None if is_plain else system)
            if suffix == ".geojson"
            else csv_text(counted.batches(), scope, system, "titles")
        )
        with (folder / path.name).open("wb") as file:
            async for part in written:
                file.write(part)
        return counted.rows, ()
    from importers.write_layer import FileWriter

    file_path = folder / path.name if suffix != ".zip" else folder / f"{path.stem}.shp"
    fields = [field for field in scope.layer.fields if field.name in scope.fields]
    writer = FileWriter(file_path, scope.layer, fields, system, encoding)
    async for features in counted.batches():
        writer.write(features)
    if not counted.rows:
        writer.write([])
    notes = writer.finish()
    if suffix == ".zip":
        _pack(folder, folder / path.name)
    return counted.rows, notes


class _Counted:
    """Batches, counted as they go by."""

    def __init__(self, batches: AsyncGenerator[list[Feature]]) -> None:
        self._batches, self.rows = batches, 0

    async def batches(self) -> AsyncGenerator[list[Feature]]:
        async with aclosing(self._batches):
            async for batch in self._batches:
                self.rows += len(batch)
                yield batch


def _pack(folder: Path, target: Path) -> None:
    """The files of `folder` in one archive in their place; names in UTF-8, marked so."""
    parts = sorted(folder.iterdir())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.write(part, part.name)
    for part in parts:
        part.unlink()


def _check(path: Path, encoding: str, *, overwrite: bool) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise BadRequest(
            f"不能写 {path.suffix or '没有后缀的'} 文件",
            f"a file with the suffix {path.suffix!r} cannot be written",
            field="path",
            value=path.name,
            expected=", ".join(SUFFIXES),
        )
    if encoding.lower() not in ("utf-8", "gbk"):
        raise BadRequest(
            f"编码应为 utf-8 或 gbk：{encoding}",
            f"the encoding is utf-8 or gbk, not {encoding!r}",
            field="encoding",
            value=encoding,
            expected="utf-8, gbk",
        )
    if not path.parent.is_dir():
        raise BadRequest(
            f"没有文件夹 {path.parent}",
            f"there is no folder {path.parent}",
            field="path",
            value=str(path),
            expected="a folder that is there",
        )
    if path.exists() and not overwrite:
        raise Conflict(
            f"文件 {path.name} 已存在；要替换请加 --overwrite",
            f"the file {path.name} is there already; --overwrite replaces it",
            path=path.name,
        )
