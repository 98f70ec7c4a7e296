"""What the operator may set, read from the environment once and handed down as a value.

A variable that begins with `ONEMAP_` and is not known is refused: a misspelt setting that silently
does nothing is worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import typer
from sqlalchemy import make_url

from layers.errors import BadRequest
from themes.glyphs import SYSTEM_FOLDERS

PROJECT_ROOT = Path(__file__).resolve().parent.parent

ELSEWHERE = frozenset({"ONEMAP_TEST_DATABASE_URL", "ONEMAP_SHARED_DATA", "ONEMAP_CHROMIUM"})
"""Read by the tests, not by the service."""


@dataclass(frozen=True)
class Settings:
    """The settings of one installation; each field is the variable `ONEMAP_<NAME>`."""

    home: Path = PROJECT_ROOT / ".onemap"
    """Folder of the private PostGIS, its socket, logs, the files sent for import and the demo accounts."""
    database_url: str | None = None
    """A PostGIS of your own (`postgresql://…`) instead of the private one."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on."""
    workers: int = 1
    """Server processes."""
    public_url: str | None = None
    """Address under which others reach the service, where a proxy stands before it."""
    secure_cookies: bool = False
    """Set where the service is reached by HTTPS, so that session cookies travel only there."""
    cors_origins: tuple[str, ...] = ()
    """Other sites whose pages may call the service, separated by commas; `*` for all (without cookies)."""
    language: Literal["zh", "en"] = "zh"
    """Language of the command line; without it, that of `LANG`."""
    client_seconds: int = 120
    """Seconds of work that each account or address may have done in a minute by a server process; 0: any."""
    tiles_on_disk_mb: int = 2048
    """Room for drawn tiles in the home folder, in MB; 0 keeps them in memory only."""
    local_systems: Path | None = None
    """File of city-local coordinate systems; `local_systems.toml` in the home folder unless said."""
    matrix_sets: Path | None = None
    """Folder of tile matrix sets of your own (JSON); `matrix_sets` in the home folder unless said."""
    review: Literal["none", "other"] = "none"
    """`other`: what is imported over HTTP is published by another person than imported it."""
    sync_folder: Path | None = None
    """Folder on this machine from which files are imported by a timetable; none are unless it is said."""
    service_hosts: tuple[str, ...] = ()
    """Where services may be beyond the public internet, with commas: hosts, `*.suffix`, networks."""
    web_root: Path = PROJECT_ROOT / "web" / "dist"
    """Folder of the built page."""

    def tile_store(self, database_url: str) -> Path | None:
        """File of the tiles of a database that are kept on disk; None if none are."""
        if self.tiles_on_disk_mb == 0:
            return None
        address = make_url(database_url).set(password=None).render_as_string()
        return self.home / "tiles" / f"{blake2b(address.encode(), digest_size=6).hexdigest()}.sqlite"

    @property
    def archives(self) -> Path:
        """Folder of tile archives that the service hands to anybody."""
        return self.home / "archives"

    @property
    def uploads(self) -> Path:
        """Folder of the files that were sent for import."""
        return self.home / "uploads"

    @property
    def local_systems_file(self) -> Path:
        """The file in which the operator keeps city-local coordinate systems, there or not."""
        return self.local_systems or self.home / "local_systems.toml"

    @property
    def matrix_set_folder(self) -> Path:
        """The folder in which the operator keeps tile matrix sets, there or not."""
        return self.matrix_sets or self.home / "matrix_sets"

    @property
    def font_folders(self) -> tuple[Path, ...]:
        """Folders of fonts for other systems' maps: the operator's own first, then the system's."""
        return (self.home / "fonts", *SYSTEM_FOLDERS)

    @property
    def rasters(self) -> Path:
        """Folder of the files of raster layers."""
        return self.home / "rasters"

    def __repr__(self) -> str:
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "database_url"}
        return f"Settings({shown}, database_url={'<hidden>' if self.database_url else None})"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment` (the process's own by default).

    Raises `BadRequest` naming the variable, its value and what was expected.
    """
    given = os.environ if environment is None else environment
    known = {f"ONEMAP_{f.name.upper()}": f.name for f in fields(Settings)}
    values: dict[str, object] = {"language": "zh" if given.get("LANG", "").startswith("zh") else "en"}
    for variable, text in given.items():
        if not variable.startswith("ONEMAP_") or variable in ELSEWHERE:
            continue
        if variable not in known:
            raise BadRequest(
                f"未知的环境变量 {variable}",
                f"unknown environment variable {variable}",
                field=variable,
                value="",
                expected=", ".join(sorted(known)),
            )
        if text:
            values[known[variable]] = _parsed(variable, text)
    return Settings(**values)  # type: ignore[arg-type]  # each value was parsed for its field


def settings_of(context: typer.Context) -> Settings:
    """The settings that the command line was started with."""
    settings = context.obj
    assert isinstance(settings, Settings)
    return settings


def _parsed(variable: str, text: str) -> object:
    match variable:
        case (
            "ONEMAP_HOME"
            | "ONEMAP_WEB_ROOT"
            | "ONEMAP_LOCAL_SYSTEMS"
            | "ONEMAP_MATRIX_SETS"
            | "ONEMAP_SYNC_FOLDER"
        ):
            return Path(text).expanduser().absolute()
        case "ONEMAP_PORT":
            return _whole_number(variable, text, 1, 65_535)
        case "ONEMAP_WORKERS":
            return _whole_number(variable, text, 1, 64)
        case "ONEMAP_CLIENT_SECONDS":
            return _whole_number(variable, text, 0, 10**6)
        case "ONEMAP_TILES_ON_DISK_MB":
            return _whole_number(variable, text, 0, 10**6)
        case "ONEMAP_SECURE_COOKIES":
            if text.lower() in ("1", "true", "yes"):
                return True
            if text.lower() in ("0", "false", "no"):
                return False
            raise _wrong(variable, text, "true or false")
        case "ONEMAP_CORS_ORIGINS" | "ONEMAP_SERVICE_HOSTS":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        case "ONEMAP_LANGUAGE":
            if text not in ("zh", "en"):
                raise _wrong(variable, text, "zh or en")
            return text
        case "ONEMAP_REVIEW":
            if text not in ("none", "other"):
                raise _wrong(variable, text, "none or other")
            return text
        case "ONEMAP_DATABASE_URL":
            if not text.startswith(("postgresql://", "postgres://")):
                raise _wrong(variable, "(hidden)", "postgresql://user:password@host:port/database")
            return text.replace("postgres://", "postgresql://", 1)
        case _:
            return text


def _whole_number(variable: str, text: str, least: int, most: int) -> int:
    if text.isdecimal() and least <= int(text) <= most:
        return int(text)
    raise _wrong(variable, text, f"a whole number from {least} to {most}")


def _wrong(variable: str, value: str, expected: str) -> BadRequest:
    return BadRequest(
        f"环境变量 {variable} 的值“{value}”不对，应为 {expected}",
        f"environment variable {variable} is {value!r}; expected {expected}",
        field=variable,
        value=value,
        expected=expected,
    )
