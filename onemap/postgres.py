"""The PostgreSQL programs on this machine, and settings made for its memory and cores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layers.errors import Unavailable

OLDEST_MAJOR = 15
SEARCHED = ("/usr/lib/postgresql", "/usr/pgsql-*", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql@*")


@dataclass(frozen=True)
class Programs:
    """A folder with initdb, pg_ctl and postgres of one major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        return str(self.folder / name)


def installed(roots: Iterable[str] = SEARCHED) -> list[Programs]:
    """Every PostgreSQL server found under `roots`, newest first; empty if there is none."""
    found: dict[Path, Programs] = {}
    for root in roots:
        top = Path("/")
        for control in top.glob(f"{root.lstrip('/')}/**/bin/pg_ctl"):
            folder = control.parent
            version = re.search(r"(\d+)", str(folder.parent.name)) or re.search(r"(\d+)", str(folder))
            if (folder / "initdb").exists() and version:
                found[folder] = Programs(folder, int(version.group(1)))
    return sorted(found.values(), key=lambda p: p.major, reverse=True)


def has_postgis(programs: Programs) -> bool | None:
    """Whether the extension's control file lies where this server looks; None if that place is unknown."""
    shares = [
        Path(f"/usr/share/postgresql/{programs.major}/extension"),
        programs.folder.parent / "share" / "extension",
        programs.folder.parent / "share" / "postgresql" / "extension",
    ]
    known = [share for share in shares if share.is_dir()]
    if not known:
        return None
    return any((share / "postgis.control").exists() for share in known)


def choose(major: int | None = None) -> Programs:
    """The programs for a new cluster (newest with PostGIS), or for a data folder of `major`.

    Raises `Unavailable` with one sentence that names the missing package.
    """
    every = installed()
    if major is not None:
        fitting = [p for p in every if p.major == major]
        if not fitting:
            have = ", ".join(str(p.major) for p in every) or "none"
            raise Unavailable(
                f"数据目录属于 PostgreSQL {major}，本机没有该版本（现有：{have}）；请安装 postgresql-{major}",
                f"the data folder belongs to PostgreSQL {major}, which is not installed (found: {have});"
                f" install postgresql-{major}",
            )
        return fitting[0]
    modern = [p for p in every if p.major >= OLDEST_MAJOR]
    if not modern:
        raise Unavailable(
            f"本机没有 PostgreSQL ≥ {OLDEST_MAJOR}；请安装 postgresql 和 postgresql-<版本>-postgis-3",
            f"no PostgreSQL ≥ {OLDEST_MAJOR} on this machine; install postgresql and"
            " postgresql-<version>-postgis-3",
        )
    spatial = [p for p in modern if has_postgis(p) is not False]
    if not spatial:
        best = modern[0].major
        raise Unavailable(
            f"PostgreSQL {best} 没有 PostGIS；请安装 postgresql-{best}-postgis-3",
            f"PostgreSQL {best} has no PostGIS; install postgresql-{best}-postgis-3",
        )
    return spatial[0]


def memory_bytes() -> int:
    """Memory this process may use: the machine's, or the container's if less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            total = min(total, int(text))
    return total


def tuned(memory: int, cores: int) -> dict[str, str]:
    """Server settings for a machine that also runs the service: the usual quarter of memory, and so on.

    The rules are those of the PostgreSQL manual (chapter 20.4) and wiki "Tuning Your PostgreSQL Server".
    """
    mebibytes = max(memory // 2**20, 512)
    return {
        "shared_buffers": f"{min(mebibytes // 4, 8192)}MB",
        "effective_cache_size": f"{mebibytes * 6 // 10}MB",
        "work_mem": f"{max(8, min(64, mebibytes // 256))}MB",
        "maintenance_work_mem": f"{max(64, min(1024, mebibytes // 16))}MB",
        "max_connections": "100",
        "max_worker_processes": str(max(8, cores)),
        "max_parallel_workers": str(cores),
        "max_parallel_workers_per_gather": str(max(1, cores // 2)),
        "max_parallel_maintenance_workers": str(max(1, cores // 2)),
        "wal_buffers": "16MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "100",
        "default_statistics_target": "100",
        # short spatial queries lose more to compilation than they gain
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
