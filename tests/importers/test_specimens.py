"""The corpus of broken files: each gives its own clear answer, nothing is written, and the work goes on."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql

from importers import errors
from importers.options import ImportOptions
from importers.rules import RULES
from importers.run import import_files
from importers.worker import work_on_imports
from layers.access import Viewer
from layers.brought import stages_of
from layers.db import Database
from layers.import_runs import Run, get_run
from layers.staged_runs import discard_run, publish_run, queue_run
from layers.uploads import append, start_upload
from tests.importers.published import left_behind, rows_of, state_of
from tests.importers.specimens import text
from tests.specimens.bricks import POINT, Specimen, collection, polygon
from tests.specimens.make import FILES, HERE, SPECIMENS, readme

KEPT = [specimen for specimen in SPECIMENS if specimen.kept]
LARGE = [specimen for specimen in SPECIMENS if not specimen.kept]
MOST_BYTES = 300_000
MOST_REFUSED_MB, MOST_READ_MB = 30, 700
"""What a process may grow by that refuses a specimen made to burst it (4 MB measured), and by one that reads
a million rows or a shape of a million vertices through (420 MB measured; 1.5 GB is all it may take)."""
DISTRICT = collection(
    (
        {"区县代码": "341502", "名称": "金安区"},
        polygon([(116.2, 31.5), (116.8, 31.5), (116.8, 32.0), (116.2, 32.0), (116.2, 31.5)]),
    )
)
GOOD = collection(({"id": 1, "name": "好"}, POINT))
LI = Viewer("li", roles=frozenset({"publisher"}), is_logged_in=True)


# ---------------------------------------------------------------- the corpus itself


def test_the_corpus_is_what_its_maker_makes_byte_for_byte() -> None:
    committed = {path.name: path.read_bytes() for path in FILES.iterdir()}
    assert committed == {specimen.name: specimen.bytes for specimen in KEPT}
    assert (HERE / "README.md").read_text(encoding="utf-8") == readme()


def test_the_corpus_is_large_in_troubles_and_small_in_bytes() -> None:
    names = [specimen.name for specimen in SPECIMENS]
    assert len(names) == len(set(names)) >= 60
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*", name) for name in names)
    assert sum(path.stat().st_size for path in FILES.iterdir()) < MOST_BYTES


def test_each_answer_is_a_class_or_a_rule_that_there_is() -> None:
    for specimen in SPECIMENS:
        if specimen.kind == "refusal":
            assert issubclass(getattr(errors, specimen.answer), errors.BadFile), specimen.name
        elif specimen.kind == "rows":
            assert RULES[specimen.answer].severity == "refused", specimen.name


# ---------------------------------------------------------------- one by one


async def publish_district(database_url: str, folder: Path) -> None:
    """What must stand afterwards, and tells here from elsewhere."""
    file = folder / "district.geojson"
    file.write_bytes(DISTRICT)
    async with Database(database_url) as database:
        (report,) = await import_files(database, [file], ImportOptions(layer_id="district"))
    assert report.state == "published"


@pytest.fixture(scope="module")
def city_url(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a database with a district, of all tests that only try to write."""
    asyncio.run(publish_district(module_database_url, tmp_path_factory.mktemp("city")))
    return module_database_url


@pytest.fixture
async def city(city_url: str) -> AsyncIterator[Database]:
    async with Database(city_url) as database:
        yield database


@pytest.fixture
def unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which temporary ones are made; nothing may be left in it."""
    folder = tmp_path / "unpacking"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("specimen", KEPT, ids=lambda specimen: specimen.name)
async def test_each_broken_file_gives_its_own_answer_and_nothing_is_written(
    city: Database, unpacking: Path, specimen: Specimen
) -> None:
    before = await standing(city)
    path, options = FILES / specimen.name, ImportOptions(layer_id=specimen.layer)
    if specimen.kind == "refusal":
        with pytest.raises(getattr(errors, specimen.answer)) as refused:
            await import_files(city, [path], options)
        assert type(refused.value).__name__ == specimen.answer
        facts = refused.value.facts
        check_sentences(specimen, refused.value.zh, refused.value.en)
        assert (facts["found"] is not None, bool(facts["expected"])) == (True, True)
    elif specimen.kind == "check":
        reports = await import_files(city, [path], replace(options, dry_run=True))
        check_findings(specimen, (f._asdict() for r in reports if r.check for f in r.check.findings))
    else:
        reports = await import_files(city, [path], replace(options, dry_run=specimen.kind == "note"))
        assert any(report.is_refused for report in reports) == (specimen.kind == "rows")
        check_reports(specimen, [report.to_json() for report in reports])
    assert await standing(city) == before


# ---------------------------------------------------------------- by one worker


@pytest.mark.slow
async def test_one_worker_reads_the_whole_corpus_and_then_a_good_file(
    database: Database, database_url: str, tmp_path: Path, unpacking: Path
) -> None:
    await publish_district(database_url, tmp_path)
    before, uploads = await state_of(database), tmp_path / "uploads"
    uploads.mkdir()
    runs = {s.name: await queued(database, uploads, s.name, s.bytes, s.layer) for s in KEPT if s.bytes}
    good = await queued(database, uploads, "good.geojson", GOOD, None)
    working = asyncio.create_task(work_on_imports(database, uploads))
    try:
        async with asyncio.timeout(300):
            while (await get_run(database, good.id)).state in ("uploaded", "reading"):
                await asyncio.wait({working}, timeout=0.2)
                assert not working.done()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    for specimen in KEPT:
        if specimen.name in runs:
            await check_run(database, specimen, await get_run(database, runs[specimen.name].id))
    assert [path.name for path in uploads.iterdir() if path.is_dir()] == []
    seen = {one.staged.layer.id: one.base_version for one in stages_of(await get_run(database, good.id))}
    assert (await publish_run(database, good.id, LI, seen=seen)).state == "published"
    assert (await rows_of(database, "good"))["1"].values["name"] == "好"
    after = await state_of(database)
    assert after.pop("good")[0] == 1
    assert (after, await left_behind(database)) == (before, [])


async def queued(database: Database, uploads: Path, name: str, content: bytes, layer: str | None) -> Run:
    """A run over one file that has been sent, in the queue."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    upload = await start_upload(database, uploads, name=name, size=len(content), by="li")
    assert await append(uploads, upload, 0, pieces()) == len(content)
    options = {} if layer is None else {"layer_id": layer}
    return await queue_run(database, [upload.id], file_name=name, options=options, by="li")


async def check_run(database: Database, specimen: Specimen, run: Run) -> None:
    """The run ended as it must; what it staged goes away."""
    told = f"{specimen.name}: {run.state} {run.report.get('fault', '')}"
    if specimen.kind == "refusal":
        assert run.state == "refused", told
        assert run.report["fault"]["expected"], told
        check_sentences(specimen, run.report["fault"]["zh"], run.report["fault"]["en"])
        return
    ends = {"rows": ["refused"], "note": ["staged"]}
    assert run.state in ends.get(specimen.kind, ["staged", "refused"]), told
    if specimen.kind == "check":
        tallies = [tally for report in run.report["reports"] for tally in report["check"]["rules"]]
        assert sum(t["found"] for t in tallies if t["id"] == specimen.answer) > 0, told
    else:
        check_reports(specimen, run.report["reports"])
    if run.state == "staged":
        await discard_run(database, run.id)


# ---------------------------------------------------------------- those made to burst their reader

READ = """
import asyncio, json, resource, sys
from dataclasses import replace
from pathlib import Path

limits = ((resource.RLIMIT_AS, 6 * 1024**3), (resource.RLIMIT_FSIZE, 100_000_000), (resource.RLIMIT_CPU, 120))
for what, limit in limits:
    resource.setrlimit(what, (limit, limit))

from importers.options import ImportOptions
from importers.run import import_files
from layers.db import Database
from layers.errors import OneMapError

def now_mb(what: str) -> float:
    # not ru_maxrss: a new process takes over that of the one it was forked from
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024

async def main() -> None:
    url, good, broken, layer, kind = sys.argv[1:]
    async with Database(url) as db:
        await import_files(db, [Path(good)], ImportOptions(dry_run=True))
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = now_mb("VmRSS")
        options = ImportOptions(layer_id=layer or None)
        told = {}
        try:
            if kind == "check":
                (report,) = await import_files(db, [Path(broken)], replace(options, dry_run=True))
                told = {"findings": [f._asdict() | {"geometry": None} for f in report.check.findings]}
            else:
                told = {"reports": [r.to_json() for r in await import_files(db, [Path(broken)], options)]}
        except OneMapError as error:
            told = {"fault": type(error).__name__, "zh": error.zh, "en": error.en}
        print(json.dumps(told | {"grew_mb": now_mb("VmHWM") - before}))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("specimen", LARGE, ids=lambda specimen: specimen.name)
async def test_what_is_made_to_burst_its_reader_takes_little_memory(
    city: Database, city_url: str, tmp_path: Path, unpacking: Path, specimen: Specimen
) -> None:
    before = await standing(city)
    good, broken = tmp_path / "good.geojson", tmp_path / specimen.name
    good.write_bytes(GOOD)
    broken.write_bytes(specimen.bytes)
    arguments = [city_url, str(good), str(broken), specimen.layer or "", specimen.kind]
    done = subprocess.run(
        [sys.executable, "-c", READ, *arguments], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    if specimen.kind == "refusal":
        assert told["fault"] == specimen.answer
        check_sentences(specimen, told["zh"], told["en"])
    elif specimen.kind == "check":
        check_findings(specimen, told["findings"])
    else:
        check_reports(specimen, told["reports"])
    assert 0 <= told["grew_mb"] < (MOST_REFUSED_MB if specimen.kind == "refusal" else MOST_READ_MB)
    assert await standing(city) == before


# ---------------------------------------------------------------- what an answer has to be


def check_sentences(specimen: Specimen, zh: str, en: str) -> None:
    """Both sentences name the file and what is wrong with it, and nothing of this machine."""
    for sentence in (zh, en):
        assert specimen.name in sentence
        assert [word for word in specimen.words if word not in sentence] == [], sentence
        assert "/tmp/" not in sentence
    check_languages(zh, en)


def check_findings(specimen: Specimen, findings: Iterable[Mapping[str, Any]]) -> None:
    """A finding of the rule names row and value in both languages."""
    found = [finding for finding in findings if finding["rule"] == specimen.answer]
    assert found, specimen.name
    for language in ("zh", "en"):
        texts = [f"{f['row']} {f['key']} {f['value']} {f[language]}" for f in found]
        assert any(all(word in shown for word in specimen.words) for shown in texts), texts
    check_languages(found[0]["zh"], found[0]["en"])


def check_reports(specimen: Specimen, reports: list[Mapping[str, Any]]) -> None:
    """One of the reports names the rule with its count, and the rows that are refused by it."""
    counts = [count for report in reports for count in report["rules"] if count["rule"] == specimen.answer]
    assert counts, (specimen.name, [[c["rule"] for c in r["rules"]] for r in reports])
    assert counts[0]["rows"] >= 1
    check_languages(counts[0]["zh"], counts[0]["en"])
    if specimen.kind == "rows":
        check_findings(specimen, (finding for report in reports for finding in report["findings"]))
    else:
        for language in ("zh", "en"):
            assert all(word in counts[0][language] for word in specimen.words), counts[0]


def check_languages(zh: str, en: str) -> None:
    assert re.search("[\u4e00-\u9fff]", zh)
    assert en.strip()
    assert en != zh


async def standing(database: Database) -> tuple[Any, ...]:
    """Everything an import could leave behind, but for its own record."""
    async with database.connect() as connection:
        versions = await connection.scalar(sql("SELECT count(*) FROM onemap.layer_version"))
        tables = list(
            await connection.scalars(
                sql("SELECT tablename FROM pg_tables WHERE schemaname LIKE 'onemap%' ORDER BY tablename")
            )
        )
    return await state_of(database), versions, tables, await left_behind(database)


async def test_a_good_file_is_imported_in_the_place_of_the_broken_ones(
    city: Database, tmp_path: Path
) -> None:
    (report,) = await import_files(city, [text(tmp_path, "t.csv", "id,lon,lat\n1,116.5,31.7\n")])
    assert report.state == "published"
