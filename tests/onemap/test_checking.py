"""`onemap check` and `onemap import` as a person runs them: what they print, write and exit with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import load_workbook

from layers.db import Database
from tests.importers.published import left_behind, runs_of, state_of

ROOT = Path(__file__).parents[2]
HEAD = "部件标识码,部件名称,经度,纬度,状态,初始日期,变更日期\n"
GOOD = HEAD + "34150201037000001,路灯,116.5,31.75,完好,20200101,20200202\n"
DIRTY = GOOD + "34150201037000002, 路灯 ,116.501,31.75,完好,20200101,20190101\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(database_url: str) -> dict[str, str]:
    said = {"ONEMAP_DATABASE_URL": database_url, "ONEMAP_LANGUAGE": "zh", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **said}


@pytest.fixture
def onemap(database_url: str, tmp_path: Path) -> Run:
    """Runs the command in a folder of its own, in Chinese."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "onemap", *words],
            cwd=tmp_path,
            env=environment(database_url),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


async def looked_at(url: str) -> tuple[dict[str, tuple[int, str, int]], list[str]]:
    async with Database(url) as database:
        return await state_of(database), await left_behind(database)


def test_a_check_says_what_is_wrong_row_by_row_writes_it_down_and_exits_with_three(
    onemap: Run, tmp_path: Path
) -> None:
    (tmp_path / "部件.csv").write_text(DIRTY)
    done = onemap("check", "部件.csv", "--report", "质检.xlsx")
    assert done.returncode == 3, done.stderr
    assert "[错误] TIM-02 变更日期早于初始日期: 1 / 2" in done.stdout
    assert "第 3 行 34150201037000002: 变更日期 2019-01-01 早于初始日期 2020-01-01" in done.stdout
    assert "得分" in done.stdout
    assert "TIM-02 变更日期早于初始日期" in load_workbook(tmp_path / "质检.xlsx", read_only=True).sheetnames
    done = onemap("check", "部件.csv", "--report", "质检.geojson")
    features = json.loads((tmp_path / "质检.geojson").read_text())["features"]
    assert {feature["properties"]["rule"] for feature in features} >= {"TIM-02", "ATT-07"}
    (tmp_path / "部件.csv").write_text(GOOD)
    assert onemap("check", "部件.csv").returncode == 0, "nothing but remarks"


def test_an_import_refuses_rows_with_errors_and_writes_the_whole_report(
    onemap: Run, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "部件.csv").write_text(DIRTY)
    refused = onemap("import", "部件.csv", "--report", "报告.json")
    assert refused.returncode == 3, refused.stderr
    assert refused.stdout.count("TIM-02") == 1
    assert "check.error" not in refused.stdout, "told once, by the check"
    [told] = json.loads((tmp_path / "报告.json").read_text())
    assert (told["kept"], told["refused"], told["check"]["totals"]["error"]) == (1, 1, 1)
    assert [f["rule"] for f in told["check"]["findings"] if f["severity"] == "error"] == ["TIM-02"]
    before = [o for o in told["check"]["mended"]["originals"] if o["mending"] == "trim"]
    assert [(o["row"], o["field"], o["value"]) for o in before] == [(3, "name", " 路灯 ")]
    state, left = asyncio.run(looked_at(database_url))
    assert (state["component"][0], left) == (0, [])
    assert onemap("import", "部件.csv", "--no-check").returncode == 0
    assert asyncio.run(looked_at(database_url))[0]["component"][0] == 1


def test_what_cannot_be_is_refused_before_anything_is_done(onemap: Run, tmp_path: Path) -> None:
    (tmp_path / "部件.csv").write_text(GOOD)
    for words, said in (
        (["--mend", "snaps"], "snap=0.05m"),
        (["--mend", "snap=1km"], "snap=0.05m"),
        (["--report", "r.doc"], ".xlsx"),
        (["--report", "nowhere/r.xlsx"], ".xlsx"),
    ):
        done = onemap("import", "部件.csv", *words)
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert onemap("check", "nothing.csv").returncode == 1
    assert onemap("check", "--nonsense").returncode == 2
    assert {path.name for path in tmp_path.iterdir()} == {"部件.csv"}


def test_an_interrupted_import_leaves_nothing_half_done(database_url: str, tmp_path: Path) -> None:
    rows = (f"3415020103{n:07},路灯,116.{n:06},31.75,完好,20200101,\n" for n in range(400_000))
    (tmp_path / "部件.csv").write_text(HEAD + "".join(rows))
    command = [sys.executable, "-m", "onemap", "import", "部件.csv", "--report", "r.json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(database_url), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "读取" in line:
                running.send_signal(signal.SIGINT)
                break
        running.stdout.read()
        assert running.wait(60) == 130
    state, left = asyncio.run(looked_at(database_url))
    assert (state["component"][0], left) == (0, [])

    async def ends() -> list[str]:
        async with Database(database_url) as database:
            return [state for _, _, state in await runs_of(database)]

    assert asyncio.run(ends()) == ["cancelled"]
    assert not (tmp_path / "r.json").exists()
