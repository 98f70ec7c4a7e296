"""The sample city, in the formats such data really comes in, through the importer without a word of help."""

from __future__ import annotations

from pathlib import Path

from importers.options import ImportOptions
from importers.run import import_files
from layers.catalogue import list_layers
from layers.db import Database
from sample_data.make import make_city
from tests.importers.published import rows_of


async def test_the_whole_folder_imports_and_nothing_is_refused(database: Database, tmp_path: Path) -> None:
    manifest = make_city(tmp_path, 0.004)
    reports = await import_files(database, [tmp_path], ImportOptions())
    assert {r.file: r.refused for r in reports if r.refused} == {}
    assert {r.state for r in reports} == {"published", "stored"}
    counts = {layer.id: layer.feature_count for layer in await list_layers(database)}
    made = {name: number for name, number in manifest.counts.items() if name in counts}
    assert {name: counts[name] for name in made} == made
    assert set(made) >= {"unit_grid", "component", "building", "pipe_node", "pipe_line", "station"}
    assert sum(r.kept for r in reports if r.layer_id == "reading") > 0
    grids = await rows_of(database, "unit_grid")
    components = await rows_of(database, "component")
    inside = sum(1 for row in components.values() if row.values["grid_code"] in grids)
    assert inside == len(components)
    assert all(row.values["district_code"] for row in (await rows_of(database, "building")).values())
