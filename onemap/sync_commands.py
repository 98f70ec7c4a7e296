"""Commands about syncs: `onemap sync add`, `list`, `show`, `run`, `pause`, `resume` and `remove`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from onemap.settings import settings_of

sync_app = typer.Typer(no_args_is_help=True, help="Imports begun by a timetable. 定时同步。")

Name = Annotated[str, typer.Argument(help="Name of the sync. 同步名称。")]


@sync_app.command("add")
def sync_add(
    context: typer.Context,
    name: Name,
    path: Annotated[
        str | None, typer.Argument(help="File, folder or pattern in ONEMAP_SYNC_FOLDER. 同步文件夹中的路径。")
    ] = None,
    every: Annotated[
        str, typer.Option("--at", help="'every 15 min', 'daily 02:30' or five cron words. 时间表。")
    ] = "daily 02:30",
    table: Annotated[
        str | None, typer.Option("--table", help="Copy this schema.table instead. 复制数据表。")
    ] = None,
    refresh: Annotated[
        str | None, typer.Option(help="Refresh this registered layer instead. 刷新登记的图层。")
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Of several files the one changed last. 只取最新文件。")
    ] = False,
    as_: Annotated[str | None, typer.Option("--as", help="Layer id. 图层标识。")] = None,
    title: Annotated[str, typer.Option(help="Title of the sync. 同步的名称。")] = "",
    layer_title: Annotated[str | None, typer.Option(help="Title of a new layer. 新图层名称。")] = None,
    crs: Annotated[str | None, typer.Option(help="Source CRS, e.g. EPSG:4548. 源坐标系。")] = None,
    encoding: Annotated[str | None, typer.Option(help="Text encoding, e.g. GBK. 文字编码。")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names rows of the table. 键列。")] = None,
    geometry: Annotated[str | None, typer.Option(help="Geometry column of the table. 几何列。")] = None,
    srid: Annotated[int | None, typer.Option(help="EPSG code of rows that say none. 坐标系。")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Rows it does not name stay. 增量。")] = False,
    within: Annotated[
        list[str] | None, typer.Option("--within", help="Code of the part it replaces. 只替换该区划。")
    ] = None,
    mend: Annotated[list[str] | None, typer.Option("--mend", help="May be put right. 修整，可多次。")] = None,
    allow_refused: Annotated[
        bool, typer.Option("--allow-refused", help="Leave out refused rows. 舍弃被拒绝的行。")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Never publish without a person. 总是由人审核。")
    ] = False,
    most_removed: Annotated[
        float, typer.Option(help="Percent of rows it may remove by itself. 可自动删除的百分比。")
    ] = 20.0,
    most_changed: Annotated[
        float, typer.Option(help="Percent of rows it may change by itself. 可自动变更的百分比。")
    ] = 20.0,
) -> None:
    """Import from a folder, a table or a registered layer again and again. 新建定时同步。"""
    from layers.sync_source import SyncKind
    from layers.syncs import Draft
    from onemap.syncing import add

    if sum(given is not None for given in (path, table, refresh)) != 1:
        raise typer.BadParameter("a path, --table or --refresh, one of the three")
    options: dict[str, Any] = {
        "layer_id": as_, "title": layer_title, "crs": crs, "encoding": encoding, "partial": partial or None,
        "within": within, "mend": mend, "allow_refused": allow_refused or None,
    }  # fmt: skip
    kind: SyncKind = "files"
    source: dict[str, Any] = {"path": path, "newest": newest}
    if table is not None:
        kind, source = "table", {"table": table, "key": key, "geometry": geometry, "srid": srid}
    elif refresh is not None:
        kind, source = "refresh", {"layer": refresh}
    add(
        settings_of(context),
        Draft(
            name, kind, source, every, title, {n: v for n, v in options.items() if v is not None},
            "review" if review else "publish", most_removed, most_changed,
        ),
    )  # fmt: skip


@sync_app.command("list")
def sync_list(context: typer.Context) -> None:
    """Every sync, its next moment and its last result; exit code 3 if one is failing. 同步列表。"""
    from onemap.syncing import print_syncs

    if not print_syncs(settings_of(context)):
        raise SystemExit(3)


@sync_app.command("show")
def sync_show(context: typer.Context, name: Name) -> None:
    """One sync: its source, its next three moments, its latest runs. 查看一个同步。"""
    from onemap.syncing import show

    show(settings_of(context), name)


@sync_app.command("run")
def sync_run(
    context: typer.Context,
    name: Name,
    again: Annotated[
        bool, typer.Option("--again", help="Read it even if it is unchanged. 未变化也重新读取。")
    ] = False,
) -> None:
    """Have the worker run it now. 立即同步。"""
    from onemap.syncing import run_now

    run_now(settings_of(context), name, again=again)


@sync_app.command("pause")
def sync_pause(context: typer.Context, name: Name) -> None:
    """Stop its timetable. 暂停。"""
    from onemap.syncing import pause

    pause(settings_of(context), name, paused=True)


@sync_app.command("resume")
def sync_resume(context: typer.Context, name: Name) -> None:
    """Let its timetable go on. 继续。"""
    from onemap.syncing import pause

    pause(settings_of(context), name, paused=False)


@sync_app.command("remove")
def sync_remove(context: typer.Context, name: Name) -> None:
    """Forget it; what it imported stays. 删除同步。"""
    from onemap.syncing import remove

    remove(settings_of(context), name)
