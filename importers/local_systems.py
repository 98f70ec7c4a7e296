"""The city-local systems an operator keeps in a file, and one a person states beside an import.

A TOML file has a table for each: `to` and four parameters for a plane, `from` and seven for a datum (see
`gis.local_systems`). What is wrong with an entry is said by its name and key, never by its value.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gis.crs import read_crs
from gis.errors import UnknownCrs
from gis.local_systems import CONVENTIONS, Datum, LocalSystem, Plane
from importers.options import ImportOptions
from layers.errors import BadRequest

PREFIX = "local:"
"""Before a system's name where a reference system is said: `crs=local:滁州2000`."""
STATED = "local"
"""The name of a system whose parameters stand beside the import."""
_ALWAYS = frozenset(("title", "secret", "error_m"))
_PLANE = ("dx_m", "dy_m", "rotation_s", "scale")
_DATUM = ("dx_m", "dy_m", "dz_m", "rx_s", "ry_s", "rz_s", "scale_ppm")


def local_system(options: ImportOptions) -> LocalSystem | None:
    """The local system an import is said to be in; None if none is. Raises `BadRequest`."""
    if options.local is not None and "=" in options.local:
        return _parsed(STATED, _pairs(options.local))
    name = options.local
    if name is None and options.crs is not None and options.crs.strip().lower().startswith(PREFIX):
        name = options.crs.strip()[len(PREFIX) :]
    if name is None:
        return None
    systems = {} if options.systems is None else read_systems(options.systems)
    found = systems.get(name.strip())
    if found is None:
        listed = ", ".join(systems) or "–"
        raise BadRequest(
            f"没有登记名为“{name}”的地方坐标系；已登记：{listed}",
            f"no local system is called {name!r}; there are {listed}",
            field="crs",
            value=name,
            expected=listed,
        )
    return found


def read_systems(path: Path) -> dict[str, LocalSystem]:
    """The systems in the operator's file by name; none if there is no file. Raises `BadRequest`."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        line = re.search(r"line \d+", str(error))
        where = line.group(0) if line else type(error).__name__
        raise BadRequest(
            f"地方坐标系文件 {path.name} 无法读取（{where}）",
            f"the file of local systems {path.name} cannot be read ({where})",
            field="ONEMAP_LOCAL_SYSTEMS",
            value=path.name,
            expected="TOML",
        ) from error
    return {name: _parsed(name, entry) for name, entry in told.items()}


def named_systems(path: Path | None) -> list[dict[str, str]]:
    """Name and title of each system in the operator's file, and nothing of what it is made of.

    None for a file that cannot be read: whoever names a system then hears why.
    """
    try:
        found = {} if path is None else read_systems(path)
    except BadRequest:
        return []
    return [{"name": name, "title": one.title} for name, one in found.items()]


def _pairs(text: str) -> dict[str, str]:
    """`to=EPSG:4548 x_is=north dx_m=…` as a table; separated by white space, commas or semicolons."""
    found = {}
    for pair in re.split(r"[\s,;，；]+", text.strip()):
        key, _, value = pair.partition("=")
        found[key.strip()] = value.strip()
    return found


def _parsed(name: str, entry: object) -> LocalSystem:
    if not isinstance(entry, Mapping):
        raise _wrong(name, "to", "a table of parameters")
    is_plane = "to" in entry
    wanted = ("to", "x_is", *_PLANE) if is_plane else ("from", "convention", *_DATUM)
    unknown = [key for key in entry if key not in wanted and key not in _ALWAYS]
    if unknown:
        raise _wrong(name, unknown[0], "one of " + ", ".join((*wanted, *sorted(_ALWAYS))))
    lacking = [key for key in wanted if key not in entry]
    if lacking:
        raise _wrong(name, lacking[0], "to be there: " + ", ".join(wanted))
    try:
        crs = read_crs(str(entry["to" if is_plane else "from"]))
    except UnknownCrs as error:
        raise _wrong(name, "to" if is_plane else "from", "EPSG:n, WKT or PROJ") from error
    by: Plane | Datum
    if is_plane:
        if not crs.is_projected:
            raise _wrong(name, "to", "a projected system, such as EPSG:4548")
        if entry["x_is"] not in ("north", "east"):
            raise _wrong(name, "x_is", "north or east")
        shift = {key: _number(name, entry, key) for key in _PLANE}
        by = Plane(**shift, x_is=entry["x_is"])
        if not 0.9 < by.scale < 1.1:
            raise _wrong(name, "scale", "the ratio k near 1 (not parts per million)")
    else:
        if entry["convention"] not in CONVENTIONS:
            raise _wrong(name, "convention", " or ".join(CONVENTIONS))
        shift = {key: _number(name, entry, key) for key in _DATUM}
        by = Datum(**shift, convention=entry["convention"])
    error_m = None if entry.get("error_m") is None else _number(name, entry, "error_m")
    secret = entry.get("secret", True)
    if not isinstance(secret, bool):
        raise _wrong(name, "secret", "true or false")
    return LocalSystem(name, crs, by, error_m, secret, str(entry.get("title", "")))


def _number(name: str, entry: Mapping[str, Any], key: str) -> float:
    try:
        value = float(entry[key])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise _wrong(name, key, "a number")
    return value


def _wrong(name: str, key: str, expected: str) -> BadRequest:
    """The refusal of an entry; its value may be secret and is not shown."""
    return BadRequest(
        f"地方坐标系“{name}”的 {key} 有误，应为 {expected}",
        f"{key} of the local system {name!r} is wrong; expected {expected}",
        field=key,
        value="(hidden)",
        expected=expected,
    )
