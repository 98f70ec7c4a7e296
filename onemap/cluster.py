"""The private PostGIS: a real PostgreSQL cluster in the project's own folder, on a unix socket.

Made with initdb and pg_ctl, never running as root, reachable only by its owner, and never touching
another cluster. `Cluster.ensure_running` brings any state of the folder to a running server or says in
one sentence why not:

    absent ─initdb─▶ stopped ─pg_ctl─▶ running       half-made, foreign, damaged: a clear refusal
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg

from layers.errors import Conflict, Unavailable
from onemap import postgres
from onemap.postgres import Programs

DATABASE = "onemap"
SUPERUSER = "postgres"
"""Not `onemap`: PostgreSQL looks first into the schema that is called like the user, and ours is."""
LONGEST_SOCKET_FOLDER = 90
"""sun_path holds 108 bytes; the socket's own name takes the rest."""
START_TIMEOUT_S = 120
ROOTS_FOLDER = Path("/var/lib/onemap")
"""Where root's cluster goes when its unprivileged owner cannot reach the project folder."""


@dataclass(frozen=True)
class Owner:
    """The account the server runs as: ourselves, or an unprivileged one where we are root."""

    uid: int
    gid: int
    name: str

    @property
    def switch(self) -> dict[str, Any]:
        """Arguments of `subprocess` that run a program as this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Cluster:
    """The cluster under `home`. `overrides` are server settings on top of the tuned ones."""

    def __init__(self, home: Path, overrides: Mapping[str, str] | None = None) -> None:
        self.owner = _owner(home.absolute())
        self.home = _reachable_home(home.absolute(), self.owner)
        self.data = self.home / "postgres"
        self.log = self.home / "log" / "postgres.log"
        self.sockets = _socket_folder(self.home)
        self._overrides = dict(overrides or {})

    @property
    def url(self) -> str:
        """Address of the project's database over the unix socket (no password: the folder is private)."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={self.sockets}"

    @property
    def _maintenance_url(self) -> str:
        return f"postgresql://{SUPERUSER}@/postgres?host={self.sockets}"

    @property
    def is_running(self) -> bool:
        process = self._server_process()
        if process is None or _is_zombie(process):
            return False
        programs = postgres.choose(self._major())
        return self._run(programs, "pg_ctl", "status", "-D", str(self.data)).returncode == 0

    @property
    def started_by(self) -> int | None:
        """Process that started the server and will stop it; None if it is meant to stay, or is adopted."""
        try:
            process = int(json.loads((self.home / "started_by.json").read_text())["process"])
        except (OSError, ValueError, KeyError):
            return None
        return process if process and _is_alive(process) else None

    def ensure_running(self, *, until_exit_of: int | None = None) -> bool:
        """Starts the server if it is not running; True if this call started or adopted it.

        `until_exit_of` names the process that promises to stop it; without it the server stays.
        Raises `Unavailable` or `Conflict` with what to do.
        """
        with self._locked():
            if self.is_running and self._answers():
                self._make_database()
                if until_exit_of is None:
                    self._remember(0)
                    return False
                adopted = self._was_left_behind()
                if adopted:
                    self._remember(until_exit_of)
                return adopted
            programs = self._prepared()
            self._start(programs)
            self._remember(until_exit_of or 0)
            self._make_database()
            return True

    def stop(self) -> bool:
        """Stops the server; False if it was not running. Open transactions are rolled back."""
        with self._locked():
            if not self.is_running:
                return False
            programs = postgres.choose(self._major())
            done = self._run(programs, "pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "60")
            if done.returncode != 0:
                raise Unavailable(
                    f"PostgreSQL 未能停止：{_last_line(done.stderr or done.stdout)}",
                    f"PostgreSQL did not stop: {_last_line(done.stderr or done.stdout)}",
                )
            (self.home / "started_by.json").unlink(missing_ok=True)
            return True

    # ------------------------------------------------------------ making and starting

    def _prepared(self) -> Programs:
        """Programs for a data folder that exists and is whole; makes it first where there is none."""
        if not self.data.exists():
            programs = postgres.choose()
            self._make(programs)
            return programs
        if not (self.data / "onemap.conf").exists():
            raise Conflict(
                f"数据目录 {self.data} 不完整或不属于一张图；请移走它后重试",
                f"the data folder {self.data} is half-made or not One Map's; move it away and try again",
            )
        return postgres.choose(self._major())

    def _make(self, programs: Programs) -> None:
        """initdb into a folder beside the final one, then one rename: there is never a half-made cluster."""
        making = self.data.with_name("postgres.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        self._give(making)
        done = self._run(
            programs, "initdb", "-D", str(making), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-instructions",
        )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable(
                f"initdb 失败：{_last_line(done.stderr)}", f"initdb failed: {_last_line(done.stderr)}"
            )
        with (making / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude = 'onemap.conf'\n")
        (making / "onemap.conf").write_text("")
        self._give(making / "onemap.conf")
        making.rename(self.data)

    def _start(self, programs: Programs) -> None:
        self._bury_the_dead()
        self._configure()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._give(self.log.parent)
        offset = self.log.stat().st_size if self.log.exists() else 0
        done = self._run(
            programs, "pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w", "-t",
            str(START_TIMEOUT_S), "-s",
        )  # fmt: skip
        if done.returncode == 0:
            return
        with self.log.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode("utf-8", "replace").splitlines()
        reason = next((line for line in lines if "FATAL" in line or "PANIC" in line), _last_line(done.stderr))
        raise Unavailable(
            f"PostgreSQL 未能启动：{reason}（日志：{self.log}）",
            f"PostgreSQL did not start: {reason} (log: {self.log})",
        )

    def _configure(self) -> None:
        settings = postgres.tuned(postgres.memory_bytes(), os.cpu_count() or 1) | {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.sockets}'",
            "unix_socket_permissions": "0700",
            "log_min_duration_statement": "2000",
            **self._overrides,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.data / "onemap.conf").write_text(f"# written at each start by One Map\n{lines}")

    def _make_database(self) -> None:
        with psycopg.connect(self._maintenance_url, autocommit=True) as connection:
            there = connection.execute(
                "SELECT count(*) FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if there == (0,):
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _answers(self) -> bool:
        """True once the running server accepts connections; False if it goes away instead."""
        deadline = monotonic() + START_TIMEOUT_S
        while monotonic() < deadline and self.is_running:
            with suppress(psycopg.OperationalError), psycopg.connect(self._maintenance_url):
                return True
            sleep(0.1)
        return False

    def _bury_the_dead(self) -> None:
        """Removes the lock file of a killed server that nobody reaped (a container's first process may not).

        PostgreSQL takes the zombie for a living server. Its backends end by themselves within moments;
        the file goes only when none of them works in the data folder any more.
        """
        process = self._server_process()
        if process is None or not _is_zombie(process):
            return
        deadline = monotonic() + 10
        while _processes_in(self.data):
            if monotonic() > deadline:
                raise Conflict(
                    f"PostgreSQL 的旧进程仍在使用 {self.data}，请稍后重试",
                    f"old PostgreSQL processes still use {self.data}; try again in a moment",
                )
            sleep(0.1)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    # ------------------------------------------------------------ small print

    def _server_process(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _major(self) -> int:
        try:
            return int((self.data / "PG_VERSION").read_text().strip())
        except (OSError, ValueError) as error:
            raise Conflict(
                f"数据目录 {self.data} 已损坏：没有可读的 PG_VERSION；请移走它或从备份恢复",
                f"the data folder {self.data} is damaged: no readable PG_VERSION; move it away or restore it",
            ) from error

    def _was_left_behind(self) -> bool:
        """Whether the server outlived the process that promised to stop it."""
        marker = self.home / "started_by.json"
        return self.started_by is None and marker.exists() and '"process": 0' not in marker.read_text()

    def _remember(self, process: int) -> None:
        (self.home / "started_by.json").write_text(json.dumps({"process": process}))

    def _give(self, path: Path) -> None:
        if os.geteuid() != self.owner.uid:
            os.chown(path, self.owner.uid, self.owner.gid)

    def _run(self, programs: Programs, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # pg_ctl's server inherits the pipes and would keep them open, so output goes through files
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [programs.path(name), *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd="/", check=False,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
                # Ctrl-C in the terminal is for us to handle; the server is stopped in order afterwards
                start_new_session=True,
                **self.owner.switch,
            )  # fmt: skip
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time makes, starts or stops the cluster."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.home / "lock").touch()
        except PermissionError as error:
            raise Conflict(
                f"无权写入 {error.filename}；它可能由其他账户（如 root）创建，请改用该账户或设置 ONEMAP_HOME",
                f"may not write {error.filename}; another account (root?) made it: use that account, or set"
                " ONEMAP_HOME to a folder of your own",
            ) from error
        if self.sockets.stat().st_uid not in (self.owner.uid, os.geteuid()):
            raise Conflict(
                f"套接字目录 {self.sockets} 属于他人",
                f"the socket folder {self.sockets} belongs to somebody else",
            )
        self._give(self.sockets)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def throwaway_cluster(name: str) -> Iterator[str]:
    """Address of a server in a temporary folder, quick and unsafe, gone at the end: for tests."""
    folder = Path(tempfile.mkdtemp(prefix=f"onemap-{name}-", dir="/tmp"))  # reachable by the owner
    folder.chmod(0o755)
    quick = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "256MB",
    }
    cluster = Cluster(folder / "home", quick)
    try:
        cluster.ensure_running(until_exit_of=os.getpid())
        yield cluster.url
    finally:
        with suppress(Unavailable, Conflict):
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _owner(home: Path) -> Owner:
    """Who owns the cluster under `home`, or who shall: ourselves, or `postgres` where we are root."""
    if os.geteuid() != 0:
        return Owner(os.geteuid(), os.getegid(), str(os.geteuid()))
    with suppress(OSError):
        found = (home / "postgres").stat()
        if found.st_uid != 0:
            return Owner(found.st_uid, found.st_gid, str(found.st_uid))
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Owner(entry.pw_uid, entry.pw_gid, name)
    raise Unavailable(
        "以 root 运行时需要系统账户 postgres（安装 postgresql 时自动创建）",
        "running as root needs a system account 'postgres' (made when postgresql is installed)",
    )


def _reachable_home(home: Path, owner: Owner) -> Path:
    """`home`, or a folder under /var/lib where root's unprivileged owner cannot walk to `home`."""
    if os.geteuid() == owner.uid:
        return home
    existing = next(p for p in (home, *home.parents) if p.exists())
    walk = subprocess.run(["/bin/sh", "-c", 'cd "$1"', "sh", str(existing)], cwd="/", check=False,
                          stderr=subprocess.DEVNULL, **owner.switch)  # fmt: skip
    if walk.returncode == 0:
        return home
    return ROOTS_FOLDER / _short_hash(home)


def _socket_folder(home: Path) -> Path:
    folder = home / "run"
    if len(str(folder).encode()) <= LONGEST_SOCKET_FOLDER and not set(str(folder)) & set(" ,'\""):
        return folder
    return Path(f"/tmp/onemap-{os.getuid()}-{_short_hash(home)}")  # noqa: S108  # 0700 and its owner checked


def _short_hash(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_zombie(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def _processes_in(folder: Path) -> list[int]:
    """Living processes whose working directory is `folder` (as every PostgreSQL backend's is)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink() == folder and not _is_zombie(int(entry.name)):
                found.append(int(entry.name))
    return found


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(no message)"
