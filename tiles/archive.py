"""Tiles in one file for use elsewhere: PMTiles 3 and MBTiles 1.3 written, and served back.

PMTiles is read by range requests from any static server; MBTiles is SQLite and read by most map programs.
Both hold gzip-compressed Mapbox vector tiles of the Web Mercator quad.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Protocol

from pmtiles.tile import (
    Compression,
    TileType,
    deserialize_directory,
    deserialize_header,
    find_tile,
    zxy_to_tileid,
)
from pmtiles.writer import Writer

from gis.squares import Tile
from layers.errors import BadRequest, Conflict
from layers.model import BoundingBox

ArchiveFormat = Literal["pmtiles", "mbtiles"]
FORMATS: tuple[ArchiveFormat, ...] = ("pmtiles", "mbtiles")
MOST_LEVELS = 4
"""Directories from the root to a tile, at most (PMTiles 3, §4)."""


@dataclass(frozen=True)
class Contents:
    """What an archive holds. `bounds` EPSG:4490, longitude first; `vector_layers` as in TileJSON 3.0.0."""

    name: str
    bounds: BoundingBox
    min_zoom: int
    max_zoom: int
    vector_layers: Sequence[Mapping[str, Any]]
    attribution: str = ""
    description: str = ""

    @property
    def center(self) -> tuple[float, float]:
        west, south, east, north = self.bounds
        return (west + east) / 2, (south + north) / 2


class _Format(Protocol):
    def add(self, tile: Tile, body_gzip: bytes) -> None: ...

    def finish(self, contents: Contents) -> None: ...

    def close(self) -> None: ...


class ArchiveWriter:
    """Writes an archive beside `file` and puts it in its place when it is whole; a context manager.

    Raises `BadRequest` for a file that ends in neither `.pmtiles` nor `.mbtiles`, `Conflict` where `file`
    exists already.
    """

    def __init__(self, file: Path) -> None:
        kind = format_of(file)
        if kind is None:
            raise BadRequest(
                f"不认识的文件类型“{file.name}”",
                f"{file.name!r} is no tile archive",
                field="file",
                value=file.name,
                expected=", ".join(f"*.{known}" for known in FORMATS),
            )
        if file.exists():
            raise Conflict(f"“{file}”已存在", f"{str(file)!r} exists already", file=str(file))
        self.file = file
        self.count = 0
        self._part = file.with_name(f".{file.name}.part")
        self._part.unlink(missing_ok=True)
        self._to: _Format = _PMTiles(self._part) if kind == "pmtiles" else _MBTiles(self._part)

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._to.close()
        self._part.unlink(missing_ok=True)

    def add(self, tile: Tile, body_gzip: bytes) -> None:
        """Adds a tile that is not empty; each once."""
        self._to.add(tile, body_gzip)
        self.count += 1

    def finish(self, contents: Contents) -> None:
        """Writes what it holds and puts the file in its place. Raises `BadRequest` if no tile was added."""
        if self.count == 0:
            raise BadRequest(
                "所选范围与级别内没有任何要素",
                "there is nothing to draw in these bounds and zooms",
                field="bounds",
                value=list(contents.bounds),
                expected="bounds and zooms with rows in them",
            )
        self._to.finish(contents)
        self._to.close()
        os.replace(self._part, self.file)


class _PMTiles:
    def __init__(self, part: Path) -> None:
        self._file: BinaryIO = part.open("wb")
        self._writer: Any = Writer(self._file)  # type: ignore[no-untyped-call]

    def add(self, tile: Tile, body_gzip: bytes) -> None:
        self._writer.write_tile(zxy_to_tileid(*tile), body_gzip)

    def finish(self, contents: Contents) -> None:
        west, south, east, north = (round(value * 10**7) for value in contents.bounds)
        lon, lat = (round(value * 10**7) for value in contents.center)
        header = {
            "tile_type": TileType.MVT,
            "tile_compression": Compression.GZIP,
            "min_lon_e7": west,
            "min_lat_e7": south,
            "max_lon_e7": east,
            "max_lat_e7": north,
            "center_zoom": contents.min_zoom,
            "center_lon_e7": lon,
            "center_lat_e7": lat,
        }
        self._writer.finalize(header, _metadata(contents))

    def close(self) -> None:
        self._file.close()
        self._writer.tile_f.close()  # which it leaves open unless it came to an end


class _MBTiles:
    def __init__(self, part: Path) -> None:
        self._connection = sqlite3.connect(part, isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = 0x4d504258;"
            "CREATE TABLE metadata (name TEXT PRIMARY KEY, value TEXT);"
            "CREATE TABLE tiles (zoom_level INTEGER, tile_column INTEGER, tile_row INTEGER, tile_data BLOB)"
        )
        self._connection.execute("BEGIN")

    def add(self, tile: Tile, body_gzip: bytes) -> None:
        z, x, y = tile
        # Rows count from the south (MBTiles 1.3, "Tiles": TMS).
        self._connection.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (z, x, (1 << z) - 1 - y, body_gzip))

    def finish(self, contents: Contents) -> None:
        told = _metadata(contents)
        vector_layers = {"vector_layers": told.pop("vector_layers")}
        told |= {
            "format": "pbf",
            "bounds": ",".join(f"{value:.7f}" for value in contents.bounds),
            "center": ",".join(map(str, (*contents.center, contents.min_zoom))),
            "minzoom": contents.min_zoom,
            "maxzoom": contents.max_zoom,
            "json": json.dumps(vector_layers, ensure_ascii=False),
        }
        self._connection.executemany("INSERT INTO metadata VALUES (?, ?)", told.items())
        self._connection.execute(
            "CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)"
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def _metadata(contents: Contents) -> dict[str, Any]:
    return {
        "name": contents.name,
        "description": contents.description,
        "attribution": contents.attribution,
        "type": "overlay",
        "version": "1",
        "vector_layers": list(contents.vector_layers),
    }


class Archive:
    """An archive to read tiles from. Not for several threads at once; `close` it.

    Raises `OSError`, `ValueError` or `sqlite3.Error` for a file that is no archive of vector tiles.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._from: _ReadPMTiles | _ReadMBTiles = (
            _ReadPMTiles(file) if format_of(file) == "pmtiles" else _ReadMBTiles(file)
        )
        self.contents = self._from.contents()

    def tile(self, tile: Tile) -> bytes | None:
        """The gzip-compressed tile; None where there is none."""
        return self._from.tile(tile)

    def close(self) -> None:
        self._from.close()


class _ReadPMTiles:
    def __init__(self, file: Path) -> None:
        self._file = file.open("rb")
        try:
            start = self._bytes(0, 127)
            if start[:7] != b"PMTiles" or len(start) < 127 or start[7] != 3:
                raise ValueError(f"{file.name} is no PMTiles 3 archive")
            self._header: Mapping[str, Any] = deserialize_header(start)
            if (self._header["tile_type"], self._header["tile_compression"]) != (
                TileType.MVT,
                Compression.GZIP,
            ):
                raise ValueError(f"{file.name} does not hold gzip-compressed vector tiles")
        except BaseException:
            self._file.close()
            raise
        self._directory = lru_cache(maxsize=64)(self._read_directory)

    def contents(self) -> Contents:
        header = self._header
        told = json.loads(
            gzip.decompress(self._bytes(header["metadata_offset"], header["metadata_length"])) or b"{}"
        )
        corners = (header[name] / 10**7 for name in ("min_lon_e7", "min_lat_e7", "max_lon_e7", "max_lat_e7"))
        return _contents(told, BoundingBox(*corners), header["min_zoom"], header["max_zoom"])

    def tile(self, tile: Tile) -> bytes | None:
        number = zxy_to_tileid(*tile)
        header = self._header
        offset, length = header["root_offset"], header["root_length"]
        for _ in range(MOST_LEVELS):
            found = find_tile(self._directory(offset, length), number)
            if found is None:
                return None
            if found.run_length:
                return self._bytes(header["tile_data_offset"] + found.offset, found.length)
            offset, length = header["leaf_directory_offset"] + found.offset, found.length
        return None

    def close(self) -> None:
        self._file.close()

    def _read_directory(self, offset: int, length: int) -> list[Any]:
        return list(deserialize_directory(self._bytes(offset, length)))

    def _bytes(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)


class _ReadMBTiles:
    def __init__(self, file: Path) -> None:
        address = f"{file.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        try:
            self._told = dict(self._connection.execute("SELECT name, value FROM metadata"))
            if self._told.get("format", "pbf") != "pbf":
                raise ValueError(f"{file.name} does not hold vector tiles")
        except BaseException:
            self._connection.close()
            raise

    def contents(self) -> Contents:
        told: dict[str, Any] = {**self._told, **json.loads(self._told.get("json", "{}"))}
        west, south, east, north = map(float, told.get("bounds", "-180,-85,180,85").split(","))
        lowest, highest = self._connection.execute(
            "SELECT min(zoom_level), max(zoom_level) FROM tiles"
        ).fetchone()
        return _contents(told, BoundingBox(west, south, east, north), lowest or 0, highest or 0)

    def tile(self, tile: Tile) -> bytes | None:
        z, x, y = tile
        row = self._connection.execute(
            "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
            (z, x, (1 << z) - 1 - y),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        self._connection.close()


def _contents(told: Mapping[str, Any], bounds: BoundingBox, min_zoom: int, max_zoom: int) -> Contents:
    return Contents(
        str(told.get("name", "")),
        bounds,
        int(min_zoom),
        int(max_zoom),
        list(told.get("vector_layers", ())),
        str(told.get("attribution", "")),
        str(told.get("description", "")),
    )


def format_of(file: Path) -> ArchiveFormat | None:
    """The format that a file's name says; None for neither."""
    return next((known for known in FORMATS if file.suffix.lower() == f".{known}"), None)
