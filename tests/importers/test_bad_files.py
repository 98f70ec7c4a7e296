"""Rows that are broken in one way each, in one file. Files broken as a whole: `test_specimens`."""

from __future__ import annotations

import json
from pathlib import Path

from importers.options import ImportOptions
from importers.run import import_files
from layers.db import Database
from tests.importers.specimens import text

STATION = {"站点编码": "S1", "站点名称": "一号站", "站点类型": "空气"}
ROWS = {
    "an empty geometry": ("geometry.empty", '{"type": "Polygon", "coordinates": []}'),
    "no geometry": ("geometry.missing", "null"),
    "a point of NaN": ("geometry.empty", '{"type": "Point", "coordinates": [NaN, 31.7]}'),
    "a line to infinity": (
        "geometry.not_finite", '{"type": "LineString", "coordinates": [[1, 2], [Infinity, 3]]}',
    ),
    "off the earth": ("geometry.off_earth", '{"type": "Point", "coordinates": [500, 31.7]}'),
    "at the origin": ("geometry.zero", '{"type": "Point", "coordinates": [0, 0]}'),
    "a line among points": ("geometry.type", '{"type": "LineString", "coordinates": [[116, 31], [117, 31]]}'),
    "two points": ("geometry.type", '{"type": "MultiPoint", "coordinates": [[116, 31], [117, 31]]}'),
}  # fmt: skip


async def test_each_broken_row_is_refused_by_its_own_rule(database: Database, tmp_path: Path) -> None:
    shapes = ['{"type": "Point", "coordinates": [116.5, 31.7]}', *(shape for _, shape in ROWS.values())]
    rows = []
    for number, shape in enumerate(shapes):
        properties = json.dumps(STATION | {"站点编码": f"S{number}"})
        rows.append(f'{{"type": "Feature", "properties": {properties}, "geometry": {shape}}}')
    content = f'{{"type": "FeatureCollection", "features": [{", ".join(rows)}]}}'
    path = text(tmp_path, "监测站点.geojson", content)
    (report,) = await import_files(database, [path], ImportOptions(layer_id="station"))
    assert {f.row: f.rule for f in report.findings} == {
        row: rule for row, (rule, _) in enumerate(ROWS.values(), start=2)
    }
    assert (report.kept, report.refused, report.state) == (1, len(ROWS), "refused")
