"""The peers: other servers of tiles, brought up over the same rows of the same PostGIS, as they come.

A peer is measured where it is found: `martin`, `pg_tileserv`, `mapserv` (with `nginx` before it) on PATH;
tipg, which is a library, in the Python that `ONEMAP_BENCH_TIPG_PYTHON` names. What is not found is said.

Peers read views of the rows: a number, every attribute, the geometry as stored (EPSG:4490, with its index).
Each is told to draw what One Map draws: 4096 units, a margin of 64, no limit of features; else it runs as it
comes, in one process of its own on loopback (MapServer in as many as One Map has connections for drawing).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import psycopg
from psycopg import sql

from benchmarks.load import ask
from benchmarks.service import Service
from benchmarks.tile_list import Square
from gis.squares import Tile
from layers.access import Scope
from layers.db import PoolSizes
from tiles.square import EXTENT, MARGIN

SCHEMA = "onemap_bench_peers"
SHAPE = "geom"
NUMBER = "fid"
START_S = 60
TO_END_S = 1.0
"""MapServer as FastCGI looks at a signal when the next request comes, so never."""
_MIDDLE_OF_NOWHERE = Tile(14, 0, 8_000)
"""A square of the Pacific."""


class Peer(NamedTuple):
    """A peer that runs. `path` gives a square's address at it."""

    name: str
    service: Service
    path: Callable[[Square], str]


class Absent(NamedTuple):
    """A peer that is not there, and what was looked for."""

    name: str
    sought: str


Start = Callable[[str, Path, Sequence[Scope]], Any]
"""A context manager that runs a peer over the database at a URL, with a folder of its own."""


def found() -> tuple[dict[str, Start], list[Absent]]:
    """The peers that are there, by name, and those that are not."""
    there: dict[str, Start] = {}
    absent = []
    for name, start, sought, path in (
        ("tipg", _tipg, "ONEMAP_BENCH_TIPG_PYTHON", os.environ.get("ONEMAP_BENCH_TIPG_PYTHON")),
        ("MapServer", _mapserver, "mapserv and nginx", shutil.which("nginx") and shutil.which("mapserv")),
        ("Martin", _martin, "martin", shutil.which("martin")),
        ("pg_tileserv", _pg_tileserv, "pg_tileserv", shutil.which("pg_tileserv")),
    ):
        if path:
            there[name] = start
        else:
            absent.append(Absent(name, sought))
    return there, absent


@contextmanager
def views(url: str, scopes: Sequence[Scope]) -> Iterator[None]:
    """The views that the peers read, until the block ends."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA)))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
        for scope in scopes:
            names = [sql.Identifier(field.name) for field in scope.layer.fields]
            connection.execute(
                sql.SQL("CREATE VIEW {} AS SELECT _fid AS {}, {}, _geom AS {} FROM {}").format(
                    sql.Identifier(SCHEMA, scope.layer.id),
                    sql.Identifier(NUMBER),
                    sql.SQL(", ").join(names),
                    sql.Identifier(SHAPE),
                    sql.Identifier("onemap_rows", scope.layer.id),
                )
            )
        try:
            yield
        finally:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(SCHEMA)))


@contextmanager
def running(name: str, start: Start, url: str, scopes: Sequence[Scope]) -> Iterator[Peer]:
    """The peer, until the block ends; it has answered once when the block begins."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as folder:
        Path(folder).chmod(0o755)
        with start(url, Path(folder), scopes) as (service, path):
            _wait(service, path(Square(scopes[0].layer.id, _MIDDLE_OF_NOWHERE)), name)
            yield Peer(name, service, path)


@contextmanager
def files(bodies: Mapping[str, bytes]) -> Iterator[Service]:
    """nginx, one worker, with kept tiles as files: `bodies` (gzip) by path."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        for path, body in bodies.items():
            file = folder / "root" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        location = (
            f"root {folder}/root; default_type application/vnd.mapbox-vector-tile;"
            " add_header Content-Encoding gzip; open_file_cache max=2000 inactive=600s;"
            " open_file_cache_valid 600s;"
        )
        yield stack.enter_context(_nginx(folder, f"location / {{ {location} }}"))


# ---------------------------------------------------------------- each as it is started


@contextmanager
def _tipg(url: str, folder: Path, scopes: Sequence[Scope]) -> Iterator[Any]:
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": _with_host(url),
        "TIPG_DB_SCHEMAS": json.dumps([SCHEMA]),
        "TIPG_FALLBACK_KEY_NAMES": json.dumps([NUMBER]),
        "TIPG_MAX_FEATURES_PER_TILE": "10000000",
        "TIPG_TILE_BUFFER": str(MARGIN),
        "TIPG_TILE_RESOLUTION": str(EXTENT),
        "TIPG_CATALOG_TTL": "86400",
    }
    command = [
        os.environ["ONEMAP_BENCH_TIPG_PYTHON"], "-m", "uvicorn", "tipg.main:app", "--host", "127.0.0.1",
        "--port", str(port), "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip

    def path(square: Square) -> str:
        tile = square.tile
        return f"/collections/{SCHEMA}.{square.layer}/tiles/WebMercatorQuad/{tile.z}/{tile.x}/{tile.y}"

    with _process(command, folder, environment) as process:
        yield Service(port, process.pid), path


@contextmanager
def _martin(url: str, folder: Path, scopes: Sequence[Scope]) -> Iterator[Any]:
    port = _free_port()
    file = folder / "martin.json"  # JSON is YAML
    file.write_text(
        json.dumps(
            {
                "listen_addresses": f"127.0.0.1:{port}",
                "postgres": {
                    "connection_string": url,
                    "auto_bounds": "skip",
                    "auto_publish": {
                        "from_schemas": [SCHEMA],
                        "tables": {"id_columns": NUMBER, "extent": EXTENT, "buffer": MARGIN},
                        "functions": False,
                    },
                },
            }
        )
    )
    with _process(["martin", "--config", str(file)], folder, {**os.environ, "RUST_LOG": "warn"}) as process:
        yield Service(port, process.pid), lambda square: f"/{square.place}"


@contextmanager
def _pg_tileserv(url: str, folder: Path, scopes: Sequence[Scope]) -> Iterator[Any]:
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "TS_HTTPHOST": "127.0.0.1",
        "TS_HTTPPORT": str(port),
        "TS_DEFAULTBUFFER": str(MARGIN),
        "TS_MAXFEATURESPERTILE": "10000000",
    }
    with _process(["pg_tileserv"], folder, environment) as process:
        yield Service(port, process.pid), lambda square: f"/{SCHEMA}.{square.place}.pbf"


@contextmanager
def _mapserver(url: str, folder: Path, scopes: Sequence[Scope]) -> Iterator[Any]:
    """As FastCGI: processes that keep their connection, behind nginx."""
    parts = urlsplit(url)
    host = dict(parse_qsl(parts.query)).get("host") or parts.hostname
    connection = f"host={host} dbname={parts.path.lstrip('/')} user={parts.username or ''}"
    layers = "\n".join(_MAP_LAYER.format(**_drawn(scope), connection=connection) for scope in scopes)
    (folder / "city.map").write_text(_MAP.format(layers=layers, margin=MARGIN, extent=EXTENT))
    (folder / "mapserver.conf").write_text('CONFIG\n  ENV\n    MS_MAP_PATTERN "."\n  END\nEND\n')
    environment = {**os.environ, "MAPSERVER_CONFIG_FILE": str(folder / "mapserver.conf")}
    location = (
        f"fastcgi_pass unix:{folder}/socket; fastcgi_param REQUEST_METHOD GET; fastcgi_buffers 16 1m;"
        f' fastcgi_param QUERY_STRING "map={folder}/city.map&mode=tile&tilemode=gmap&tile=$3+$4+$2&layers=$1'
        '&map.imagetype=mvt";'
    )
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(folder / "socket"))
        listening.listen(64)
        (folder / "socket").chmod(0o666)
        for _ in range(PoolSizes().draw):
            stack.enter_context(_process(["mapserv"], folder, environment, stdin=listening.fileno()))
        rule = rf'location ~ "^/([a-z_]+)/(\d+)/(\d+)/(\d+)$" {{ {location} }}'
        service = stack.enter_context(_nginx(folder, rule))
        yield service, lambda square: f"/{square.place}"


_MAP = """MAP
  SIZE 256 256
  PROJECTION "init=epsg:3857" END
  WEB METADATA "ows_enable_request" "*" END END
  OUTPUTFORMAT
    NAME "mvt" DRIVER "MVT" MIMETYPE "application/vnd.mapbox-vector-tile" IMAGEMODE FEATURE EXTENSION "pbf"
    FORMATOPTION "EXTENT={extent}" FORMATOPTION "EDGE_BUFFER={margin}"
  END
{layers}
END
"""
_MAP_LAYER = """  LAYER
    NAME "{id}" TYPE {type} STATUS OFF EXTENT -180 -90 180 90
    CONNECTIONTYPE POSTGIS CONNECTION "{connection}"
    DATA "{shape} FROM {schema}.{id} USING UNIQUE {number} USING srid=4490"
    PROCESSING "CLOSE_CONNECTION=DEFER"
    PROJECTION "init=epsg:4490" END
    METADATA "gml_include_items" "all" "ows_title" "{id}" END
  END"""
_MAP_TYPES = {"Point": "POINT", "MultiLineString": "LINE", "MultiPolygon": "POLYGON"}


def _drawn(scope: Scope) -> dict[str, str]:
    layer = scope.layer
    kind = _MAP_TYPES[layer.geometry_type]
    return {"id": layer.id, "type": kind, "schema": SCHEMA, "shape": SHAPE, "number": NUMBER}


@contextmanager
def _nginx(folder: Path, location: str) -> Iterator[Service]:
    port = _free_port()
    (folder / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} worker_processes 1; daemon off; pid {folder}/nginx.pid;"
        f" error_log {folder}/nginx.log crit; events {{ worker_connections 256; }}"
        f" http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;"
        f" client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;"
        f" uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;"
        f" server {{ listen 127.0.0.1:{port}; {location} }} }}"
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")]
    with _process(command, folder, dict(os.environ)) as process:
        yield Service(port, process.pid)


# ---------------------------------------------------------------- starting and waiting


@contextmanager
def _process(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=stdin, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(TO_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(service: Service, path: str, name: str) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            load = ask(service.port, [path], connections=1)
            if set(load.statuses) <= {200, 204}:
                return
        except OSError:
            load = None
        if time.monotonic() > until:
            raise RuntimeError(f"{name} did not answer {path}: {load and dict(load.statuses)}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def _with_host(url: str) -> str:
    """The address with the socket's folder in the place of the host, for drivers that want one there."""
    parts = urlsplit(url)
    host = dict(parse_qsl(parts.query)).get("host")
    if parts.hostname or not host:
        return url
    return f"{parts.scheme}://{parts.username or ''}@{quote(host, safe='')}{parts.path}"
