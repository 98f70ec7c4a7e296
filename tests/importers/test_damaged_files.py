"""A good file damaged anywhere is read or refused; nothing else ever comes of it."""

from __future__ import annotations

import contextlib
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from importers.geometry import Target
from importers.keys import SeenKeys
from importers.opening import opened
from importers.options import ImportOptions
from importers.planning import plan
from importers.prepare import Counted, Plan, batches
from layers.catalogue import known_layers
from layers.errors import OneMapError
from tests.importers.specimens import features, packed, parts_of, points, shapefile, text, vector, workbook

LAYERS = {layer.id: layer for layer in known_layers()}
DAMAGES = 12


def grids(folder: Path) -> Path:
    return shapefile(folder)


def zipped(folder: Path) -> Path:
    inner = folder / "inner"
    inner.mkdir()
    return packed(folder / "a.zip", parts_of(shapefile(inner)))


def geopackage(folder: Path) -> Path:
    return vector(folder / "a.gpkg", points(40), {"名称": ["甲"] * 40, "n": list(range(40))})


def flatgeobuf(folder: Path) -> Path:
    return vector(folder / "a.fgb", points(40), {"名称": ["甲"] * 40})


def geojson(folder: Path) -> Path:
    return text(
        folder, "a.geojson", features(*(({"id": i, "名": "甲"}, p) for i, p in enumerate(points(20))))
    )


def table(folder: Path) -> Path:
    rows = "".join(f'34150201010000{i:02d},"井盖{i}",2024-01-02,116.5{i},31.7\n' for i in range(10, 30))
    return text(folder, "部件.csv", f"ObjID,ObjName,ORDate,经度,纬度\n{rows}", "gbk")


def sheet(folder: Path) -> Path:
    rows = [(i, 116.5, 31.7, "2024-01-02") for i in range(20)]
    return workbook(folder / "点.xlsx", {"a": [("编号", "X", "Y", "日期"), *rows]}, ["A3:A4"])


def damage(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw))
    match chance.randrange(4):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + bytes(chance.randrange(256) for _ in range(9)) + raw[at:]
        case 2:
            return raw[:at] + b"\0" * 20 + raw[at + 20 :]
        case _:
            return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]


def read(path: Path) -> None:
    """Everything an import does before the database, for whatever layers the file gives."""
    with opened([path], ImportOptions()) as sources:
        for delivery in plan(sources, LAYERS, ImportOptions()):
            for part in delivery.parts:
                assert part.source.crs is not None
                target = Target(part.source.crs, part.layer.geometry_type)
                counted = Counted()
                todo = Plan(part.source, part.layer, part.matching, target)
                kept = sum(len(batch.wkb) for batch in batches(todo, counted, SeenKeys()))
                assert kept == counted.kept
                assert counted.read == counted.kept + counted.refused


@pytest.mark.parametrize("make", [grids, zipped, geopackage, flatgeobuf, geojson, table, sheet])
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    name = make(whole).name
    chance = random.Random(make.__name__)
    for _ in range(DAMAGES):
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(whole, broken)
        part = chance.choice(sorted(p for p in broken.iterdir() if p.is_file()))
        part.write_bytes(damage(part.read_bytes(), chance))
        with warnings.catch_warnings(), contextlib.suppress(OneMapError):
            warnings.simplefilter("ignore")  # numbers out of range warn in NumPy; the rows are refused
            read(broken / name)
