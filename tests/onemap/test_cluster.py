"""The private PostGIS through its whole life, with real initdb and pg_ctl."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep

import psycopg
import pytest

from layers.errors import Conflict, Unavailable
from onemap import postgres
from onemap.cluster import Cluster

QUICK = {"fsync": "off", "shared_buffers": "64MB"}


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that root's unprivileged server account can reach, with any server in it stopped after."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/onemap-cluster-XXXXXX"], text=True).strip())
    folder.chmod(0o755)
    yield folder / "home"
    cluster = Cluster(folder / "home")
    if (cluster.data / "postmaster.pid").exists() and (cluster.data / "PG_VERSION").exists():
        cluster.stop()
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def server_process(cluster: Cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().splitlines()[0])


def test_a_new_cluster_answers_with_postgis_available_and_stops(home: Path) -> None:
    cluster = Cluster(home, QUICK)
    assert cluster.ensure_running()
    with psycopg.connect(cluster.url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'"
        ).fetchone()
    assert found == (1,)
    assert cluster.stop()
    assert not cluster.is_running
    assert not cluster.stop()


def test_the_server_never_runs_as_root(home: Path) -> None:
    cluster = Cluster(home, QUICK)
    cluster.ensure_running()
    status = Path(f"/proc/{server_process(cluster)}/status").read_text()
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    assert uid != "0"


def test_a_second_start_changes_nothing_and_keeps_the_data(home: Path) -> None:
    first = Cluster(home, QUICK)
    first.ensure_running()
    with psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    before = server_process(first)
    again = Cluster(home, QUICK)
    assert not again.ensure_running()
    assert server_process(again) == before
    again.stop()
    again.ensure_running()
    with psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_half_made_data_folder_is_refused_by_name(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(Conflict, match="half-made") as caught:
        Cluster(home, QUICK).ensure_running()
    assert str(home / "postgres") in str(caught.value)


def test_an_initdb_cut_short_leaves_nothing_in_the_way(home: Path) -> None:
    (home / "postgres.making").mkdir(parents=True)
    (home / "postgres.making" / "rubbish").write_text("x")
    assert Cluster(home, QUICK).ensure_running()


def test_a_damaged_data_folder_is_refused_by_name(home: Path) -> None:
    cluster = Cluster(home, QUICK)
    cluster.ensure_running()
    cluster.stop()
    (cluster.data / "PG_VERSION").unlink()
    with pytest.raises(Conflict, match="damaged"):
        Cluster(home, QUICK).ensure_running()


def test_a_folder_of_another_postgresql_names_the_version(home: Path) -> None:
    cluster = Cluster(home, QUICK)
    cluster.ensure_running()
    cluster.stop()
    (cluster.data / "PG_VERSION").write_text("11\n")
    with pytest.raises(Unavailable, match="PostgreSQL 11"):
        Cluster(home, QUICK).ensure_running()


def test_a_server_killed_outright_starts_again_with_what_was_committed(home: Path) -> None:
    cluster = Cluster(home, {"shared_buffers": "64MB"})
    cluster.ensure_running()
    with psycopg.connect(cluster.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
    os.kill(server_process(cluster), signal.SIGKILL)
    # the backends notice the death by themselves; until then PostgreSQL refuses a second server
    for _ in range(100):
        with suppress(Unavailable):
            cluster.ensure_running()
            break
        sleep(0.1)
    with psycopg.connect(cluster.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)


def test_two_starts_at_once_make_one_server(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from onemap.cluster import Cluster; "
        "print(Cluster(Path(sys.argv[1]), {'shared_buffers': '64MB'}).ensure_running())"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in both)
    assert said == ["False", "True"]


def test_a_server_left_behind_by_a_dead_process_is_adopted_and_a_wanted_one_is_not(home: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    cluster = Cluster(home, QUICK)
    cluster.ensure_running(until_exit_of=dead.pid)
    assert cluster.ensure_running(until_exit_of=os.getpid())
    assert cluster.started_by == os.getpid()
    cluster.ensure_running()
    assert not cluster.ensure_running(until_exit_of=os.getpid())


def test_a_long_path_gets_a_short_socket_folder(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / ("很长的文件夹" * 8))
    assert len(str(cluster.sockets).encode()) < 60


def test_memory_and_cores_decide_the_settings() -> None:
    small = postgres.tuned(2 * 2**30, 2)
    large = postgres.tuned(64 * 2**30, 16)
    assert small["shared_buffers"] == "512MB"
    assert large["shared_buffers"] == "8192MB"
    assert int(large["max_parallel_workers"]) == 16


def test_programs_without_postgis_are_named_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [postgres.Programs(Path("/nowhere/postgresql/16/bin"), 16)]
    monkeypatch.setattr(postgres, "installed", lambda: found)
    monkeypatch.setattr(postgres, "has_postgis", lambda _: False)
    with pytest.raises(Unavailable, match="postgresql-16-postgis-3"):
        postgres.choose()


def test_no_postgresql_at_all_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "installed", list)
    with pytest.raises(Unavailable, match="install postgresql"):
        postgres.choose()
