"""File geodatabases (.gdb): which folders are one, whether they are whole, what they say of themselves.

A geodatabase is a folder of tables, `a00000001.gdbtable` with its index `.gdbtablx` and so on. Its first
table names the others; `GDB_Items` describes them in XML (since ArcGIS 10): coded domains, subtypes, kinds.
Rows are read by `importers.read_vector`; here only what GDAL would not tell, or would stumble over.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree

from importers.errors import EmptyFile, MissingPart, NotWhatItSays, Truncated, UnknownKind
from importers.source import Note

SUFFIX = ".gdb"
CATALOGUE = "a00000001.gdbtable"
MAX_TABLES = 4_000
MAX_DEFINITION = 4 * 1024**2
"""Characters of one description; a feature class of 200 columns has 60,000."""
MAX_CODES = 2_000
"""Codes of one domain that become a field's code list; whoever has more has a table of codes."""
_TABLE = re.compile(r"a[0-9a-f]{8}\.(gdbtable|gdbtablx)", re.IGNORECASE)
_FILE_SIZE = struct.Struct("<24xQ")
_WIDE = 4
"""How tables of ArcGIS Pro 3.2 and later begin that count their rows in 64 bits."""
_INDEX_HEAD = struct.Struct("<4xi4xi")
_BLOCK_ROWS = 1024
_OFFSET_BYTES = (4, 5, 6)
_OTHERS = {
    "esriDTRelationshipClass": ("关系类", "relationship classes"),
    "esriDTTopology": ("拓扑", "topologies"),
    "esriDTGeometricNetwork": ("几何网络", "geometric networks"),
    "esriDTNetworkDataset": ("网络数据集", "network datasets"),
    "esriDTUtilityNetwork": ("公用设施网络", "utility networks"),
    "esriDTTerrain": ("地形数据集", "terrains"),
    "esriDTRasterDataset": ("栅格数据集", "raster datasets"),
    "esriDTRasterCatalog": ("栅格目录", "raster catalogues"),
    "esriDTMosaicDataset": ("镶嵌数据集", "mosaic datasets"),
}
"""What holds no rows of a layer, by its `DatasetType`."""
_DRAWN = {
    "esriFTAnnotation": ("注记", "annotation"),
    "esriFTDimension": ("尺寸标注", "dimensions"),
}
_ATTACHMENTS = "__ATTACH"


class Item(NamedTuple):
    """A row of `GDB_Items`."""

    name: str
    definition: str


class Domain(NamedTuple):
    """The codes a field's values may be, and whether its subtypes' lists contradict each other."""

    codes: Mapping[str, str]
    is_ambiguous: bool = False


class Contents(NamedTuple):
    """What a geodatabase says of itself beside its rows.

    `domains`: code lists by name. `subtypes`: feature class → column → list. `drawn`: feature classes that
    are annotation or dimensions, with the word for it. `others`: names of what holds no layer, by kind.
    """

    domains: Mapping[str, Mapping[str, str]]
    subtypes: Mapping[str, Mapping[str, Domain]]
    drawn: Mapping[str, tuple[str, str]]
    others: Mapping[tuple[str, str], tuple[str, ...]]


NOTHING = Contents({}, {}, {}, {})
"""Of a file that says nothing of itself."""


def folders_among(members: Iterable[tuple[Path, str]]) -> dict[Path, str]:
    """The folders among unpacked files that are geodatabases, each with the name a person knows it by.

    That is a folder called .gdb, or one that holds a geodatabase's tables whatever it is called: people pack
    the folder or what is in it.
    """
    return {
        path.parent: str(PurePosixPath(name).parent)
        for path, name in members
        if path.parent.suffix.lower() == SUFFIX or path.name.lower() == CATALOGUE
    }


def is_geodatabase(path: Path) -> bool:
    """True for a folder that is called .gdb or holds a geodatabase's tables."""
    return path.is_dir() and (path.suffix.lower() == SUFFIX or (path / CATALOGUE).is_file())


def parts(folder: Path) -> Iterator[Path]:
    """The files of a geodatabase that hold something, by name; not the locks of who has it open."""
    yield from sorted(f for f in folder.iterdir() if f.is_file() and f.suffix.lower() != ".lock")


def check_whole(folder: Path, file: str) -> None:
    """Raises the `BadFile` that fits a geodatabase with parts missing, cut short or of another kind."""
    tables = {f.name.lower(): f for f in parts(folder) if _TABLE.fullmatch(f.name)}
    if any(f.suffix.lower() == ".cdf" for f in parts(folder)):
        raise UnknownKind(
            file,
            "是压缩过的地理数据库（.cdf），请在 ArcGIS 中解压缩（Uncompress File Geodatabase Data）后再导入",
            "it is a compressed geodatabase (.cdf); run Uncompress File Geodatabase Data in ArcGIS first",
            found=".cdf",
            expected=".gdbtable",
        )
    if not any(True for _ in parts(folder)):
        raise EmptyFile(file, "文件夹是空的", "the folder is empty", found="0 files", expected=CATALOGUE)
    if CATALOGUE not in tables:
        raise MissingPart(
            file,
            f"缺少 {CATALOGUE}，文件地理数据库不完整；请整个 .gdb 文件夹一起打包",
            f"{CATALOGUE} is missing, so the file geodatabase is not whole; pack the whole .gdb folder",
            found=", ".join(sorted(tables)[:5]) or "no table",
            expected=CATALOGUE,
        )
    if len(tables) > 2 * MAX_TABLES:
        raise NotWhatItSays(
            file,
            f"里面有 {len(tables) // 2} 张表，最多读取 {MAX_TABLES} 张",
            f"it holds {len(tables) // 2} tables and {MAX_TABLES} at most are read",
            found=f"{len(tables) // 2} tables",
            expected=f"at most {MAX_TABLES}",
        )
    for name, table in tables.items():
        if name.endswith(".gdbtable"):
            _check_table(table, tables.get(name.replace("gdbtable", "gdbtablx")), file)


def _check_table(table: Path, index: Path | None, file: str) -> None:
    """Sizes as the heads of a table and its index state them; GDAL believes them."""
    with table.open("rb") as content:
        head = content.read(_FILE_SIZE.size + 8)
    size = table.stat().st_size
    if len(head) < _FILE_SIZE.size:
        raise _cut(file, table, size, "a table's head")
    said = _FILE_SIZE.unpack_from(head)[0]
    if said > size:
        raise _cut(file, table, size, f"{said} bytes")
    rows = int.from_bytes(head[16:24] if head[0] == _WIDE else head[4:8], "little", signed=True)
    if index is None:
        if rows > 0:
            raise MissingPart(
                file,
                f"缺少 {table.stem}.gdbtablx，{table.name} 的 {rows} 行无从查找；请整个 .gdb 文件夹一起打包",
                f"{table.stem}.gdbtablx is missing, without which the {rows} rows of {table.name} cannot be"
                " found; pack the whole .gdb folder",
                found=table.name,
                expected=f"{table.stem}.gdbtablx",
            )
        return
    with index.open("rb") as content:
        head = content.read(_INDEX_HEAD.size)
    size = index.stat().st_size
    if len(head) < _INDEX_HEAD.size:
        raise _cut(file, index, size, "an index's head")
    blocks, width = _INDEX_HEAD.unpack(head)
    needed = _INDEX_HEAD.size + max(blocks, 0) * _BLOCK_ROWS * width
    if width not in _OFFSET_BYTES or blocks < 0 or needed > size:
        raise _cut(file, index, size, f"{needed} bytes")


def _cut(file: str, part: Path, size: int, expected: str) -> Truncated:
    return Truncated(
        file,
        f"其中的 {part.name} 只有 {size} 字节，不完整或已损坏；请重新复制或打包整个 .gdb 文件夹",
        f"its part {part.name} has {size} bytes only and is cut short or damaged; copy or pack the whole .gdb"
        " folder again",
        found=f"{size} bytes",
        expected=expected,
    )


def read_items(items: Sequence[Item]) -> Contents:
    """What the rows of `GDB_Items` say; descriptions that cannot be read are passed over."""
    domains: dict[str, Mapping[str, str]] = {}
    classes: dict[str, ElementTree.Element] = {}
    others: dict[tuple[str, str], list[str]] = {}
    for item in items:
        told = _parsed(item.definition)
        if told is None:
            continue
        kind = told.findtext("DatasetType") or ""
        if kind in _OTHERS:
            others.setdefault(_OTHERS[kind], []).append(item.name)
        elif told.find("CodedValues") is not None:
            domains[told.findtext("DomainName") or item.name] = _coded_values(told)
        else:
            classes[item.name] = told
    subtypes = {name: _by_subtype(told, domains) for name, told in classes.items()}
    kinds = {name: _DRAWN.get(told.findtext("FeatureType") or "") for name, told in classes.items()}
    return Contents(
        domains,
        {name: found for name, found in subtypes.items() if found},
        {name: kind for name, kind in kinds.items() if kind is not None},
        {kind: tuple(names) for kind, names in others.items()},
    )


def passed_over(contents: Contents, tables: Sequence[str], empty: Sequence[str]) -> tuple[Note, ...]:
    """Notes of what is in a geodatabase and is no layer; `tables`: those without geometry."""
    attached = [name for name in tables if name.upper().endswith(_ATTACHMENTS)]
    plain = [name for name in tables if name not in attached]
    kinds = {
        ("空要素类", "feature classes without rows"): empty,
        ("无图形的属性表", "tables without geometry"): plain,
        ("附件表", "attachments"): attached,
        **contents.others,
    }
    return tuple(
        Note(
            f"passed_over.{en.replace(' ', '_')}",
            f"未导入的{zh}：{'、'.join(names[:20])}" + ("等" if len(names) > 20 else ""),
            f"{en} that were passed over: {', '.join(names[:20])}" + (", …" if len(names) > 20 else ""),
            len(names),
        )
        for (zh, en), names in kinds.items()
        if names
    )


def drawn_note(contents: Contents, table: str) -> Note:
    """The note of a feature class that is text on a map, or measures."""
    zh, en = contents.drawn[table]
    return Note(
        "table.drawn",
        f"是{zh}要素类：按外框的面读取，文字在 TextString 列",
        f"a feature class of {en}: read as the areas round its texts, which are in the column TextString",
    )


def codes_of(
    contents: Contents, table: str, columns: Mapping[str, str | None], whole: Iterable[str]
) -> tuple[dict[str, Mapping[str, str]], tuple[Note, ...]]:
    """The code list of each column of `table` that has one. `columns`: column → domain or None.

    `whole`: the columns of whole numbers, whose codes are written without a point. Notes say which lists are
    too long, or contradict each other from subtype to subtype, and are left out.
    """
    found: dict[str, Mapping[str, str]] = {}
    notes: list[Note] = []
    whole = set(whole)
    for column, name in columns.items():
        own = contents.domains.get(name or "", {})
        of_subtypes = contents.subtypes.get(table, {}).get(column, Domain({}))
        codes = _merged([own, of_subtypes.codes])
        if codes is None or of_subtypes.is_ambiguous:
            notes.append(_left_out(column, "各子类型的值域互相矛盾", "differ from subtype to subtype"))
            continue
        if column in whole:
            codes = {str(int(code)): title for code, title in codes.items() if _is_whole(code)}
        if len(codes) > MAX_CODES:
            zh, en = f"有 {len(codes)} 个代码", f"are {len(codes)}"
            notes.append(_left_out(column, f"{zh}，最多 {MAX_CODES} 个", f"{en}, more than {MAX_CODES}"))
        elif codes:
            found[column] = codes
    return found, tuple(notes)


def _left_out(column: str, zh: str, en: str) -> Note:
    return Note(
        "codes.left_out",
        f"字段“{column}”的值域未采用：{zh}",
        f"the codes of {column!r} {en} and are left out",
    )


def _is_whole(code: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,18}", code) is not None


def _parsed(definition: str) -> ElementTree.Element | None:
    """The description as a tree; None for one that is too long, no XML, or declares entities."""
    if not definition or len(definition) > MAX_DEFINITION or "<!" in definition:
        return None
    try:
        return ElementTree.fromstring(definition)  # noqa: S314 - bounded, and without declarations
    except ElementTree.ParseError:
        return None


def _coded_values(domain: ElementTree.Element) -> dict[str, str]:
    found = {}
    for value in domain.iterfind("CodedValues/CodedValue"):
        code, title = value.findtext("Code"), value.findtext("Name")
        if code is not None and code.strip() and title is not None and title.strip():
            found[code.strip()] = title.strip()
    return found


def _by_subtype(told: ElementTree.Element, domains: Mapping[str, Mapping[str, str]]) -> dict[str, Domain]:
    """The lists of a feature class's columns that come of its subtypes: their names, their own domains."""
    column = told.findtext("SubtypeFieldName") or ""
    lists: dict[str, list[Mapping[str, str]]] = {}
    names: dict[str, str] = {}
    for subtype in told.iterfind("Subtypes/Subtype"):
        code, name = subtype.findtext("SubtypeCode"), subtype.findtext("SubtypeName")
        if code is not None and name is not None:
            names[code.strip()] = name.strip()
        for info in subtype.iterfind("FieldInfos/SubtypeFieldInfo"):
            domain = domains.get(info.findtext("DomainName") or "")
            if domain is not None:
                lists.setdefault(info.findtext("FieldName") or "", []).append(domain)
    if column and names:
        lists[column] = [names]
    merged = {name: _merged(found) for name, found in lists.items()}
    return {name: Domain(codes or {}, codes is None) for name, codes in merged.items()}


def _merged(lists: Sequence[Mapping[str, str]]) -> dict[str, str] | None:
    """One list of all codes; None if one code means two things."""
    meanings = Counter(code for one in lists for code in one)
    whole = {code: title for one in lists for code, title in one.items()}
    twice = [code for code, times in meanings.items() if times > 1]
    if any(one[code] != whole[code] for one in lists for code in twice if code in one):
        return None
    return whole
