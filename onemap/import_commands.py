"""`onemap import` and `onemap check`: files in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onemap.collecting import loading
from onemap.settings import settings_of

IMPORT_REFUSED = 3
"""Exit code when rows or a file were refused and nothing was published, or a check found errors."""

Paths = Annotated[list[Path], typer.Argument(help="Files or folders. 文件或文件夹。")]
As = Annotated[str | None, typer.Option("--as", help="Layer id, e.g. component. 图层标识。")]
Crs = Annotated[str | None, typer.Option(help="Source CRS, e.g. EPSG:4548 or local:NAME. 源坐标系。")]
Local = Annotated[
    str | None,
    typer.Option(help="City-local system: a name, or its parameters. 地方坐标系：名称或参数。"),
]
ByCode = Annotated[
    str | None,
    typer.Option(help="Column of codes of a published layer that place the rows. 按编码定位的列。"),
]
Swapped = Annotated[
    bool | None, typer.Option("--swapped/--not-swapped", help="Northing or latitude first. 坐标轴互换。")
]
FrameOf = Annotated[
    str | None, typer.Option(help="cgcs2000, wgs84, gcj02 or bd09, for degrees. 经纬度基准。")
]
Encoding = Annotated[str | None, typer.Option(help="Text encoding, e.g. GBK. 文字编码。")]
Table = Annotated[str | None, typer.Option(help="The layer or sheet of a file of several. 图层或工作表。")]
Anywhere = Annotated[bool, typer.Option("--anywhere", help="It may lie outside the city. 允许在本市以外。")]
Mend = Annotated[
    list[str] | None,
    typer.Option("--mend", help="What may be put right: snap=0.05m, tile, codes, none … 修整，可多次。"),
]
Topology = Annotated[
    list[str] | None,
    typer.Option(
        "--topology",
        help="Of a layer of its own: overlaps, gaps (areas), ends (lines), with =warning if not an error."
        " 拓扑要求，可多次。",
    ),
]
ReportFile = Annotated[
    Path | None, typer.Option(help="Write the report: *.xlsx, *.json or *.geojson. 报告文件。")
]


def import_(
    context: typer.Context,
    paths: Paths,
    as_: As = None,
    crs: Crs = None,
    local: Local = None,
    by_code: ByCode = None,
    swapped: Swapped = None,
    frame: FrameOf = None,
    encoding: Encoding = None,
    table: Table = None,
    title: Annotated[str | None, typer.Option(help="Title of a new layer. 新图层名称。")] = None,
    allow_refused: Annotated[
        bool, typer.Option("--allow-refused", help="Publish the good rows even if others are refused.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Rows absent from the file stay. 增量，不删除缺失的行。")
    ] = False,
    within: Annotated[
        list[str] | None,
        typer.Option(
            "--within",
            help="Code of a district, street, community or grid: only that part is "
            "replaced. 只替换该区划或网格内的行。",
        ),
    ] = None,
    removes: Annotated[
        str | None, typer.Option("--removes", help="COLUMN=VALUE: such rows are gone. 标明已注销的行。")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report only, publish nothing. 只检查。")
    ] = False,
    mend: Mend = None,
    check_rows: Annotated[
        bool, typer.Option("--check/--no-check", help="Look at every row; errors refuse. 质检。")
    ] = True,
    report: ReportFile = None,
    date: Annotated[
        str | None, typer.Option(help="When a raster was taken: 2024, 2024-05, 2024-05-01. 栅格日期。")
    ] = None,
    meaning: Annotated[
        str | None, typer.Option(help="A raster's pixels: image, elevation, classes, values. 栅格内容。")
    ] = None,
    anywhere: Anywhere = False,
    topology: Topology = None,
) -> None:
    """Import files as layers, all or nothing, with a report. 导入数据。

    Exit code 0: imported (or tried); 1: a file or an option is wrong; 2: usage; 3: rows or errors refused.
    """
    with loading():
        from onemap.importing import asked_topology, run

    options = {
        "layer_id": as_, "crs": crs, "local": local, "swapped": swapped,
        "columns": {} if by_code is None else {by_code: "@code"},
        "frame": frame, "encoding": encoding, "table": table, "title": title,
        "allow_refused": allow_refused, "partial": partial, "dry_run": dry_run,
        "within": tuple(within or ()), "removes": removes, "mend": tuple(mend or ()), "check": check_rows,
        "date": date, "meaning": meaning, "anywhere": anywhere, "topology": asked_topology(topology or ()),
    }  # fmt: skip
    if not run(settings_of(context), paths, options, report):
        raise SystemExit(IMPORT_REFUSED)


def check(
    context: typer.Context,
    paths: Paths,
    as_: As = None,
    crs: Crs = None,
    local: Local = None,
    by_code: ByCode = None,
    swapped: Swapped = None,
    frame: FrameOf = None,
    encoding: Encoding = None,
    table: Table = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Only some rows: also look among what stands. 增量。")
    ] = False,
    anywhere: Anywhere = False,
    mend: Mend = None,
    report: ReportFile = None,
    topology: Topology = None,
) -> None:
    """Check files as an import would, and write nothing. 质检。

    Exit code 0: no errors (warnings perhaps); 1: a file or an option is wrong; 2: usage; 3: errors found.
    """
    with loading():
        from onemap.importing import asked_topology
        from onemap.importing import check as run

    options = {
        "layer_id": as_, "crs": crs, "local": local, "swapped": swapped,
        "columns": {} if by_code is None else {by_code: "@code"}, "frame": frame, "encoding": encoding,
        "table": table, "partial": partial, "anywhere": anywhere, "mend": tuple(mend or ()),
        "topology": asked_topology(topology or ()),
    }  # fmt: skip
    if not run(settings_of(context), paths, options, report):
        raise SystemExit(IMPORT_REFUSED)
