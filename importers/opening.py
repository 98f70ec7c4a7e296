"""From paths to sources: folders expanded, archives unpacked, each file given to the reader of its kind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from importers import dwg, geodatabase
from importers.archive import PACKED, unpacked
from importers.errors import BadFile, EmptyFile, MissingPart, NotWhatItSays, UnknownKind
from importers.json_text import json_kind
from importers.options import ImportOptions
from importers.read_delimited import delimited_source
from importers.read_network import network_sources
from importers.read_osm import osm_sources
from importers.read_parquet import parquet_sources
from importers.read_vector import DRIVERS, vector_sources
from importers.source import Source

Reader = Callable[[Path, str, ImportOptions], list[Source]]

RASTER_SUFFIXES = (".tif", ".tiff")


def _delimited(path: Path, file: str, options: ImportOptions) -> list[Source]:
    return [delimited_source(path, file, options)]


# The libraries of these take longer to load than a small file takes to import.


def _drawing(path: Path, file: str, options: ImportOptions) -> list[Source]:
    from importers.read_drawing import drawing_sources

    return drawing_sources(path, file, options)


def _raster(path: Path, file: str, options: ImportOptions) -> list[Source]:
    from importers.read_raster import raster_sources

    return raster_sources(path, file, options)


def _sheet(path: Path, file: str, options: ImportOptions) -> list[Source]:
    from importers.read_sheet import sheet_sources

    return sheet_sources(path, file, options)


def _converted(path: Path, file: str, options: ImportOptions) -> list[Source]:
    from importers.read_drawing import drawing_sources

    with dwg.as_dxf(path, file) as made:
        found = drawing_sources(made, file, options, converted_by=dwg.PROGRAM)
    return [replace(source, path=path) for source in found]


READERS: dict[str, Reader] = {
    **{suffix: vector_sources for suffix in DRIVERS if suffix != geodatabase.SUFFIX},
    **dict.fromkeys((".csv", ".tsv", ".txt"), _delimited),
    **dict.fromkeys((".xlsx", ".xlsm"), _sheet),
    **dict.fromkeys((".pbf", ".osm"), osm_sources),
    ".inp": network_sources,
    ".dxf": _drawing,
    dwg.SUFFIX: _converted,
    **dict.fromkeys((".parquet", ".geoparquet"), parquet_sources),
    **dict.fromkeys(RASTER_SUFFIXES, _raster),
}
"""Which reader a suffix of a file is for; a geodatabase is a folder."""

READABLE_ZH = (
    "Shapefile、GeoPackage、FileGDB（.gdb 文件夹）、GeoJSON、TopoJSON、FlatGeobuf、GeoParquet、KML、CSV、"
    "Excel（.xlsx）、OpenStreetMap（.osm.pbf）、EPANET/SWMM（.inp）、CAD（.dxf）、GeoTIFF，可打成 .zip 或 .gz"
)
READABLE_EN = (
    "Shapefile, GeoPackage, GeoJSON, TopoJSON, FlatGeobuf, GeoParquet, KML, file geodatabases (.gdb folders),"
    " CSV, Excel (.xlsx),"
    " OpenStreetMap (.osm.pbf), EPANET and SWMM (.inp), CAD drawings (.dxf), GeoTIFF, also as .zip or .gz"
)
SIDECARS = frozenset(
    ".shx .dbf .prj .cpg .sbn .sbx .qpj .qix .qmd .qml .sld .atx .ain .aih .fbn .fbx .ixs .mxs .xml"  # noqa: SIM905
    " .tfw .tifw .ovr".split()
)
"""Files that belong to a Shapefile or a GeoTIFF or describe a layer, and are not layers themselves."""
_BESIDE = frozenset((".txt", ".json"))
"""Kinds that are data when a person names them, and mostly something else beside other files."""
_OTHER_KINDS = {
    ".xls": ("旧版 Excel（.xls），请另存为 .xlsx", "an old Excel workbook (.xls); save it as .xlsx"),
    ".zip": (
        "压缩包里的压缩包（.zip），请先解开一层",
        "an archive inside an archive; unpack the outer one first",
    ),
    ".gz": (
        "压缩包里的压缩包（.gz），请先解开一层",
        "an archive inside an archive; unpack the outer one first",
    ),
    ".rar": ("RAR 压缩包，请改用 .zip", "a RAR archive; pack it as .zip"),
    ".7z": ("7z 压缩包，请改用 .zip", "a 7z archive; pack it as .zip"),
    ".tar": ("tar 包，请改用 .zip", "a tar archive; pack it as .zip"),
    ".gdb": (
        "叫 .gdb 的文件而不是文件夹；文件地理数据库是文件夹，请整个打成 .zip",
        "a file called .gdb; a file geodatabase is a folder: pack it whole as .zip",
    ),
    ".mdb": ("Access 数据库（.mdb），请导出为 Excel 或 GeoPackage", "an Access database; export its tables"),
}
_HTML = (b"<!doctype html", b"<html")


@contextmanager
def opened(
    paths: Sequence[Path], options: ImportOptions, passed_over: Callable[[Path], None] = lambda path: None
) -> Iterator[list[Source]]:
    """The sources in `paths`; what was unpacked for them is removed at the end.

    A folder stands for the files in it, also in folders below, unless it is a geodatabase; files of no known
    kind in it go to `passed_over`. Raises a `BadFile` for the first file that cannot be read.
    """
    with ExitStack() as stack:
        sources: list[Source] = []
        for path, beside in _expanded(paths, passed_over):
            if not path.exists():
                raise UnknownKind(
                    path.name, "文件不存在", "there is no such file", found="nothing", expected="a file"
                )
            _check_not_empty(path, path.name)
            members = stack.enter_context(unpacked(path))
            databases = {} if path.is_dir() else geodatabase.folders_among(members)
            for folder, name in databases.items():
                called = stack.enter_context(_called_so(folder, path))
                sources += _read_folder(called, name, options)
            if databases:
                members = _others(members, databases, passed_over)
            if members:
                sources += _sources(members, options, path, beside, passed_over)
        yield sources


def _expanded(paths: Sequence[Path], passed_over: Callable[[Path], None]) -> Iterator[tuple[Path, bool]]:
    """Files to open; True for those that were only found in a folder."""
    for path in paths:
        if not path.is_dir() or geodatabase.is_geodatabase(path):
            yield path, False
            continue
        databases = {f for f in path.rglob("*") if geodatabase.is_geodatabase(f)}
        for folder in sorted(databases):
            yield folder, True
        for file in sorted(p for p in path.rglob("*") if p.is_file() and p.parent not in databases):
            if any(part.startswith(".") for part in file.relative_to(path).parts) or is_sidecar(file):
                continue
            if (_is_read(file) or file.suffix.lower() in PACKED) and not _is_beside(file):
                yield file, True
            else:
                passed_over(file)


def _is_beside(file: Path) -> bool:
    """True for a file that is data only if somebody names it (a read-me, a manifest)."""
    if file.suffix.lower() not in _BESIDE:
        return False
    if file.suffix.lower() != ".json":
        return True
    try:
        json_kind(file, file.name)
    except (NotWhatItSays, EmptyFile):
        return True
    return False


def is_sidecar(file: Path) -> bool:
    """True for a part of a Shapefile or GeoTIFF that is there."""
    suffix = file.suffix.lower()
    if suffix not in SIDECARS:
        return False
    if suffix in (".xml", ".ovr"):
        return True
    return any(
        s.suffix.lower() in (".shp", *RASTER_SUFFIXES) and s.stem.lower() == file.stem.lower()
        for s in file.parent.iterdir()
    )


def _sources(
    members: list[tuple[Path, str]],
    options: ImportOptions,
    path: Path,
    beside: bool,
    passed_over: Callable[[Path], None],
) -> list[Source]:
    """The sources of one file, or of the files in one archive."""
    if path.is_dir():
        return _read_folder(path, path.name, options)
    if len(members) == 1 and members[0][0] == path:
        return _read(path, path.name, options)
    wanted = [(p, name) for p, name in members if _is_read(p) and not _is_beside(p)]
    if not wanted:
        wanted = [(p, name) for p, name in members if not is_sidecar(p)] or members
    elif path.suffix.lower() == ".zip":
        for member, _ in members:
            if not is_sidecar(member) and all(member != p for p, _ in wanted):
                passed_over(member)
    found: list[Source] = []
    for member, name in wanted:
        _check_not_empty(member, name)
        found += _read(member, name, options)
    return found


def _others(
    members: list[tuple[Path, str]], databases: Container[Path], passed_over: Callable[[Path], None]
) -> list[tuple[Path, str]]:
    """What can be read among the files that were packed together with geodatabases."""
    others = [(p, name) for p, name in members if p.parent not in databases and not is_sidecar(p)]
    read = [(p, name) for p, name in others if _is_read(p) and not _is_beside(p)]
    for path, _ in others:
        if all(path != p for p, _ in read):
            passed_over(path)
    return read


@contextmanager
def _called_so(folder: Path, path: Path) -> Iterator[Path]:
    """The geodatabase `folder` under a name that ends in .gdb, by which GDAL knows it."""
    if folder.suffix.lower() == geodatabase.SUFFIX:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="onemap-import-") as beside:
        link = Path(beside) / f"{path.name.split('.')[0]}{geodatabase.SUFFIX}"
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield link


def _is_read(file: Path) -> bool:
    """Whether there is a reader for the suffix; of .dwg only where a converter is installed."""
    suffix = file.suffix.lower()
    return suffix in READERS and (suffix != dwg.SUFFIX or dwg.converter() is not None)


def _read_folder(folder: Path, file: str, options: ImportOptions) -> list[Source]:
    return vector_sources(folder, file, options.of_file(file))


def _read(path: Path, file: str, options: ImportOptions) -> list[Source]:
    suffix = path.suffix.lower()
    if not _is_read(path):
        raise _unknown(path, file)
    reader = READERS[suffix]
    with path.open("rb") as content:
        head = content.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(_HTML):
        raise NotWhatItSays(
            file,
            f"内容是网页（HTML），不是 {suffix}；可能下载到了登录页或错误页",
            f"the content is a web page (HTML), not {suffix}; perhaps a login or error page was downloaded",
            found="HTML",
            expected=suffix,
        )
    return reader(path, file, options.of_file(file))


def _unknown(path: Path, file: str) -> BadFile:
    suffix = path.suffix.lower()
    if suffix in (".dbf", ".shx", ".prj", ".cpg"):
        return MissingPart(
            file,
            f"只有 {suffix}，缺少同名的 .shp",
            f"there is only {suffix}; the .shp of the same name is missing",
            found=suffix,
            expected=f"{path.stem}.shp",
        )
    zh, en = _OTHER_KINDS.get(
        suffix, (f"后缀为“{suffix or '（无）'}”的文件", f"a file with the suffix {suffix!r}")
    )
    if suffix == dwg.SUFFIX:
        zh, en = dwg.told(path)
    return UnknownKind(
        file,
        f"这是{zh}，不能导入；可导入：{READABLE_ZH}",
        f"this is {en}; what can be imported: {READABLE_EN}",
        found=suffix,
        expected=", ".join(sorted(READERS)),
    )


def _check_not_empty(path: Path, file: str) -> None:
    if path.is_file() and path.stat().st_size == 0:
        raise EmptyFile(
            file, "是空文件（0 字节）", "the file is empty (0 bytes)", found="0 bytes", expected="data"
        )
