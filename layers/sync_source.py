"""Where the rows of a sync come from: what may be said, and the files that it means now.

Files are those of one folder that the operator allows; nothing outside it is read, whatever a path or a link
says. The rows of a table are those of the service's own database.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from layers.errors import BadData, BadRequest
from layers.model import LAYER_ID
from layers.registration import named_table

SyncKind = Literal["files", "table", "refresh"]
"""`files`: of the operator's folder; `table`: rows of a table, copied; `refresh`: a registered layer."""
FOLDER_SETTING = "ONEMAP_SYNC_FOLDER"

_MEMBERS: Mapping[str, frozenset[str]] = {
    "files": frozenset({"path", "newest"}),
    "table": frozenset({"table", "key", "geometry", "srid"}),
    "refresh": frozenset({"layer"}),
}
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".lock", "~")
"""What programs call files that they have not finished."""


class Stamp(NamedTuple):
    """By what a file is seen to be another: path in its folder, bytes, moment of the last change."""

    name: str
    size: int
    changed_ns: int


def checked_source(kind: SyncKind, source: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """The source as it is kept. Raises `BadRequest` naming what is wrong; files need not be there yet."""
    strange = set(source) - _MEMBERS[kind]
    if strange:
        names = ", ".join(sorted(_MEMBERS[kind]))
        raise _bad(f"source.{min(strange)}", source[min(strange)], names, f"{names} 之一")
    if kind == "table":
        named_table(str(source.get("table", "")))
        return {name: value for name, value in source.items() if value is not None}
    if kind == "refresh":
        layer_id = str(source.get("layer", ""))
        if not LAYER_ID.fullmatch(layer_id):
            raise _bad("source.layer", layer_id, "the id of a registered layer", "已登记图层的标识")
        return {"layer": layer_id}
    if folder is None:
        raise BadRequest(
            f"未设置同步文件夹，请由管理员设置 {FOLDER_SETTING}",
            f"no folder may be synced from: the operator has to set {FOLDER_SETTING}",
            field="source.path",
            value=source.get("path", ""),
            expected=f"a path in the folder {FOLDER_SETTING}",
        )
    path = str(source.get("path", "")).strip()
    parts = PurePosixPath(path).parts
    if not path or "\x00" in path or path.startswith("/") or ".." in parts:
        expected = f"a path in the folder {FOLDER_SETTING}, without .."
        raise _bad("source.path", path, expected, "同步文件夹中的相对路径，不含 ..")
    if any(_is_pattern(part) for part in parts[:-1]):
        expected = "* and ? in the last part of the path only"
        raise _bad("source.path", path, expected, "通配符只能用在路径的最后一段")
    newest = bool(source.get("newest", False))
    return {"path": path, "newest": True} if newest else {"path": path}


def files_now(folder: Path, source: Mapping[str, Any]) -> list[Path]:
    """The files that the source means now, whole paths, in the order of their names.

    Of a folder those in it, not those in folders below; with a pattern those it fits; `newest`: the one that
    was changed last. Files that begin with a dot or end as unfinished ones do are left out. Raises `BadData`
    where there are none, or where one is, by a link, outside `folder`.
    """
    root = folder.resolve()
    named = root / source["path"]
    if _is_pattern(named.name):
        candidates = [f for f in _listed(named.parent, root) if fnmatch.fnmatch(f.name, named.name)]
    elif named.is_dir():
        candidates = _listed(named, root)
    else:
        candidates = [named] if named.is_file() else []
    found = [file for file in candidates if file.is_file() and not _is_unfinished(file)]
    for file in found:
        _require_inside(file, root)
    if not found:
        raise BadData(
            f"同步文件夹中没有“{source['path']}”",
            f"there is no {source['path']!r} in the folder that is synced from",
            file=source["path"],
        )
    if source.get("newest"):
        return [max(found, key=lambda file: (file.stat().st_mtime_ns, file.name))]
    return found


def stamp_of(file: Path, folder: Path) -> Stamp:
    """The file's stamp, under its path in `folder`."""
    stat = file.stat()
    return Stamp(str(file.relative_to(folder.resolve())), stat.st_size, stat.st_mtime_ns)


def _listed(folder: Path, root: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    _require_inside(folder, root)
    return sorted(folder.iterdir())


def _require_inside(path: Path, root: Path) -> None:
    if not path.resolve().is_relative_to(root):
        shown = path.relative_to(root)
        raise BadData(
            f"“{shown}”是指向同步文件夹以外的链接，不读取",
            f"{str(shown)!r} leads out of the folder that is synced from; it is not read",
            file=str(shown),
        )


def _is_pattern(part: str) -> bool:
    return any(sign in part for sign in "*?[")


def _is_unfinished(file: Path) -> bool:
    return file.name.startswith((".", "~$")) or file.name.lower().endswith(_UNFINISHED)


def _bad(field: str, value: object, expected: str, expected_zh: str) -> BadRequest:
    return BadRequest(
        f"同步来源有误：{field} 为“{value}”，应为{expected_zh}",
        f"the source of a sync is wrong: {field} is {value!r}, expected {expected}",
        field=field,
        value=value,
        expected=expected,
    )
