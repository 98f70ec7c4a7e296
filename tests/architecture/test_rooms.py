"""The plan of the house, held: who may import whom, one door a library, no way to rows round access."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT: dict[str, set[str]] = {
    "gis": set(),
    "layers": {"gis"},
    "importers": {"layers", "gis"},
    "tiles": {"layers", "gis"},
    "grid": {"layers", "gis"},
    "themes": {"grid", "layers", "gis"},
    "api": {"themes", "grid", "tiles", "layers", "gis"},
    "sample_data": {"gis"},
    "onemap": {"api", "themes", "grid", "tiles", "importers", "layers", "gis", "sample_data", "benchmarks"},
    "benchmarks": {"api", "themes", "grid", "tiles", "importers", "layers", "gis", "sample_data", "onemap"},
}

DOORS: dict[str, set[str]] = {
    "psycopg": {"layers"},
    "psycopg_pool": {"layers"},
    "procrastinate": {"layers"},
    "alembic": {"layers"},
    "geoalchemy2": {"layers"},
    "argon2": {"layers"},
    "pyproj": {"gis"},
    "morecantile": {"gis"},
    "pyogrio": {"importers", "sample_data"},
    "openpyxl": {"importers", "sample_data"},
    "rasterio": {"importers", "tiles", "sample_data"},
    "rio_tiler": {"tiles"},
    "rtree": {"grid"},
    "fastapi": {"api"},
    "httpx2": {"api"},
    "httpcore2": {"api"},
    "starlette": {"api"},
    "uvicorn": {"onemap"},
    "typer": {"onemap"},
    "rich": {"onemap", "sample_data"},
    "mapbox_vector_tile": {"tiles"},
}
"""Which rooms may name an outside library. Benchmarks compare with whatever they like."""

BESIDE_THE_DOOR = {("onemap.cluster", "psycopg")}
"""The private cluster is made and asked whether it lives before there is a database to open."""

LONGEST_MODULE = 500


def modules() -> list[Path]:
    return [
        file
        for room in MAY_IMPORT
        for file in sorted((ROOT / room).rglob("*.py"))
        if "node_modules" not in file.parts
    ]


def named(file: Path) -> str:
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def imports_of(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names taken from it) of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports here are absolute"
            yield node.module or "", tuple(alias.name for alias in node.names)


@pytest.mark.parametrize("file", modules(), ids=named)
def test_a_room_imports_only_the_rooms_below_it(file: Path) -> None:
    room = room_of(file)
    above = {
        module
        for module, _ in imports_of(tree_of(file))
        if module.partition(".")[0] in MAY_IMPORT
        and module.partition(".")[0] not in {room, *MAY_IMPORT[room]}
    }
    assert not above


@pytest.mark.parametrize("file", modules(), ids=named)
def test_an_outside_library_is_named_only_behind_its_door(file: Path) -> None:
    strayed = {
        module
        for module, _ in imports_of(tree_of(file))
        if (top := module.partition(".")[0]) in DOORS
        and room_of(file) not in DOORS[top] | {"benchmarks"}
        and (named(file), top) not in BESIDE_THE_DOOR
    }
    assert not strayed


def test_no_modules_import_each_other_in_a_circle() -> None:
    files = {named(file): file for file in modules()}
    graph = {
        name: {
            target
            for module, names in imports_of(tree_of(file))
            for target in (module, *(f"{module}.{inner}" for inner in names))
            if target in files and target != name and not name.startswith(f"{target}.")
        }
        for name, file in files.items()
    }
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for target in sorted(graph[name]):
            walk(target, (*path, name))
        done.add(name)

    for name in sorted(graph):
        walk(name, ())


@pytest.mark.parametrize("file", modules(), ids=named)
def test_only_layers_knows_where_rows_are_kept(file: Path) -> None:
    """Every other room reaches rows through `layers.rows` and `layers.query`, which take a Scope."""
    if room_of(file) in ("layers", "benchmarks"):
        return
    for module, names in imports_of(tree_of(file)):
        assert module != "layers.tables", "row tables are layers' own"
        assert not {"rows_table", "past_table", "ROWS_SCHEMA", "tables"} & set(names) or module == "gis"
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "onemap_rows" not in node.value, "the schema of rows is layers' own"


@pytest.mark.parametrize("file", modules(), ids=named)
def test_only_access_makes_a_scope(file: Path) -> None:
    if named(file) == "layers.access":
        return
    for module, names in imports_of(tree_of(file)):
        if module != "layers.access" or "Scope" not in names:
            continue
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Scope":
                pytest.fail(f"{named(file)}:{node.lineno} makes a Scope of its own")


@pytest.mark.parametrize("file", modules(), ids=named)
def test_http_never_acts_as_the_system(file: Path) -> None:
    """`SYSTEM` sees every row; a handler that used it would answer anybody with them."""
    if room_of(file) not in ("api", "tiles", "themes"):
        return
    assert all("SYSTEM" not in names for _, names in imports_of(tree_of(file)))
    assert not any(
        isinstance(node, ast.Attribute) and node.attr == "SYSTEM" for node in ast.walk(tree_of(file))
    )


@pytest.mark.parametrize("file", modules(), ids=named)
def test_http_leaves_statements_to_the_rooms_below(file: Path) -> None:
    if room_of(file) in ("api", "themes", "importers"):
        assert all(module.partition(".")[0] != "sqlalchemy" for module, _ in imports_of(tree_of(file)))


@pytest.mark.parametrize("file", modules(), ids=named)
def test_the_environment_is_read_by_the_command_line_only(file: Path) -> None:
    if room_of(file) in ("onemap", "benchmarks"):
        return
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            pytest.fail(f"{named(file)}:{node.lineno} reads the environment")


@pytest.mark.parametrize("file", modules(), ids=named)
def test_a_module_can_be_read_in_one_sitting(file: Path) -> None:
    if "tables" in file.parts and room_of(file) == "gis":
        return  # tables of a standard are as long as the standard
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("file", modules(), ids=named)
def test_a_module_begins_by_saying_what_it_is_for(file: Path) -> None:
    assert not tree_of(file).body or ast.get_docstring(tree_of(file))
