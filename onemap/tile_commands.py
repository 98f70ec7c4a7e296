"""`onemap tiles`: tiles drawn before anybody asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onemap.settings import settings_of

tiles_app = typer.Typer(no_args_is_help=True, help="Tiles ahead of time. 预先绘制瓦片。")


@tiles_app.command("seed")
def tiles_seed(
    context: typer.Context,
    layers: Annotated[
        list[str] | None,
        typer.Option("--layers", help="Ids with commas between, drawn together. 同一瓦片中的图层。"),
    ] = None,
    zooms: Annotated[str, typer.Option(help="From-to. 级别范围。")] = "0-14",
    bounds: Annotated[str | None, typer.Option(help="West,south,east,north. 范围（度）。")] = None,
) -> None:
    """Draw tiles onto the disk before anybody asks; kept ones are passed over. 预热瓦片缓存。"""
    from onemap.tiling import seed

    seed(settings_of(context), layers or [], zooms, bounds)


@tiles_app.command("export")
def tiles_export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="*.pmtiles or *.mbtiles. 输出文件。")],
    layers: Annotated[
        str | None, typer.Option("--layers", help="Ids with commas between; all that are public. 图层。")
    ] = None,
    zooms: Annotated[str, typer.Option(help="From-to. 级别范围。")] = "0-14",
    bounds: Annotated[str | None, typer.Option(help="West,south,east,north. 范围（度）。")] = None,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Also rows and fields that need a login. 含需登录的内容。"),
    ] = False,
) -> None:
    """Write what anybody may see as one file of vector tiles. 导出矢量瓦片包。"""
    from onemap.tiling import export

    export(settings_of(context), file, layers, zooms, bounds, everything=everything)
