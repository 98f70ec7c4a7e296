"""`onemap coordinates`: parameters from control points, and what is shown of those that are kept."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gis.local_systems import Plane
from layers.errors import BadRequest
from onemap.coordinates import fit, print_systems
from onemap.settings import read_settings

TRUTH = Plane(3_500_000.0, 450_000.0, -120.5, 0.99998, "north")


def points(
    path: Path, *, off_m: float = 0.0, header: str = "点名,源X,源Y,目标X,目标Y", count: int = 4
) -> Path:
    rows = [header]
    for i, (north, east) in enumerate([(0, 0), (9000, 200), (400, 8000), (9500, 9000)][:count]):
        to_east, to_north = TRUTH.forward(east, north)
        rows.append(f"K{i},{north},{east},{to_north + (off_m if i == 2 else 0):.5f},{to_east:.5f}")
    path.write_text("\n".join(rows), "gbk")
    return path


def run_fit(path: Path) -> None:
    fit(path, to="EPSG:4548", from_=None, x_is="north", convention="position_vector", name="滁州2000")


def test_control_points_give_an_entry_that_can_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_fit(points(tmp_path / "控制点.csv"))
    said = capsys.readouterr().out
    entry = tomllib.loads(said[said.index('["') :])["滁州2000"]
    assert entry["dx_m"] == pytest.approx(3_500_000.0, abs=1e-3)
    assert entry["rotation_s"] == pytest.approx(-120.5, abs=1e-3)
    assert entry["scale"] == pytest.approx(0.99998, abs=1e-9)
    assert (entry["to"], entry["x_is"]) == ("EPSG:4548", "north")


def test_the_point_that_does_not_fit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_fit(points(tmp_path / "a.csv", off_m=0.3))
    said = capsys.readouterr().out
    assert "K2" in next(line for line in said.splitlines() if "error" in line or "误差" in line)


def test_just_enough_points_are_said_to_prove_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_fit(points(tmp_path / "a.csv", count=2))
    said = capsys.readouterr().out
    assert "nothing of the accuracy" in " ".join(said.split()) or "不说明精度" in said
    assert "error_m" not in said


def test_a_table_without_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="columns"):
        run_fit(points(tmp_path / "a.csv", header="a,b,c,d,e"))


def test_secret_parameters_are_not_listed_and_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = 'to = "EPSG:4548"\nx_is = "north"\ndx_m = 77.5\ndy_m = 1.0\nrotation_s = 2.0\nscale = 1.0\n'
    file = tmp_path / "systems.toml"
    file.write_text(f"[hidden]\n{entry}\n[open]\nsecret = false\n{entry.replace('77.5', '88.5')}", "utf-8")
    print_systems(read_settings({"ONEMAP_LOCAL_SYSTEMS": str(file), "ONEMAP_HOME": str(tmp_path)}))
    said = capsys.readouterr().out
    assert "local:hidden" in said
    assert "77.5" not in said
    assert "88.5" in said
