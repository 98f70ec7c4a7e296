"""The command `onemap`: everything an operator or a GIS technician does without a browser."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from layers.errors import BadRequest, OneMapError
from onemap import terminal
from onemap.collecting import loading
from onemap.import_commands import check, import_
from onemap.register_commands import add_register_commands
from onemap.review_commands import review_app
from onemap.service_commands import services_app
from onemap.settings import Settings, read_settings, settings_of
from onemap.sync_commands import sync_app
from onemap.terminal import Bars, fail, out, say
from onemap.tile_commands import tiles_app

app = typer.Typer(
    name="onemap",
    help="One Map 一张图: a whole city on one map. 一座城市，一张图。",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(no_args_is_help=True, help="The private PostGIS. 私有 PostGIS。")
layers_app = typer.Typer(no_args_is_help=True, help="Layers and their versions. 图层与版本。")
account_app = typer.Typer(no_args_is_help=True, help="Accounts. 账户。")
coordinates_app = typer.Typer(no_args_is_help=True, help="City-local coordinate systems. 地方坐标系。")
rules_app = typer.Typer(no_args_is_help=True, help="Who answers for what. 派遣规则。")
add_register_commands(layers_app)
layers_app.add_typer(services_app, name="services")
app.add_typer(db, name="db")
app.add_typer(layers_app, name="layers")
app.add_typer(account_app, name="account")
app.add_typer(rules_app, name="rules")
app.add_typer(coordinates_app, name="coordinates")
app.add_typer(tiles_app, name="tiles")
app.add_typer(sync_app, name="sync")
app.add_typer(review_app, name="review")
app.command("import")(import_)
app.command("check")(check)

_COUNT_HELP = "LAYER=N, e.g. building=500000; may be repeated. 某图层的数量。"


def main() -> None:
    """Runs the command line; errors of ours become one sentence and exit code 1."""
    try:
        settings = read_settings()
        terminal.speak(settings.language)
        signal.signal(signal.SIGTERM, _interrupt)
        app(obj=settings)
    except OneMapError as error:
        fail(error)
    except KeyboardInterrupt:
        out.print(say("已停止。", "stopped."))
        sys.exit(130)


@app.command()
def demo(context: typer.Context) -> None:
    """Serve the sample city, loading it the first time. 启动样例城市。"""
    from onemap.demo import run

    run(settings_of(context))


@app.command()
def serve(context: typer.Context) -> None:
    """Serve the map from the database. 启动服务。"""
    from onemap import serve as serving

    settings = settings_of(context)
    serving.require_free_port(settings)
    with serving.database(settings) as url:
        out.print(f"http://{settings.host}:{settings.port}")
        serving.run(settings, url)


@app.command()
def worker(
    context: typer.Context,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Read imports that were sent to the service; `serve` and `demo` start one. 导入任务进程。"""
    with loading():
        from onemap import serve as serving
        from onemap.worker import run

    settings = settings_of(context)
    with serving.database(settings) as url:
        run(settings, url, parent=parent)


@app.command()
def sample(
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write. 输出文件夹。")],
    scale: Annotated[float, typer.Option(min=0.001, max=2.0, help="1.0 = 120 km². 规模。")] = 0.02,
    seed: Annotated[int, typer.Option(help="Same seed, same city. 随机种子。")] = 20260601,
    count: Annotated[list[str] | None, typer.Option(help=_COUNT_HELP)] = None,
) -> None:
    """Make the invented sample city at any size. 生成样例城市。"""
    from sample_data.make import make_city

    with Bars() as bars:
        manifest = make_city(out_folder, scale=scale, seed=seed, progress=bars, counts=_counts(count or []))
    out.print(str(manifest), markup=False)


@app.command()
def token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Account name. 账户名。")],
    label: Annotated[str, typer.Option(help="What the key is for. 用途。")] = "command line",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Valid for. 有效天数。")] = 365,
) -> None:
    """Print a new API key for an account; it is shown once. 生成接口密钥。"""
    from onemap.administration import make_key

    out.print(make_key(settings_of(context), name, label, days), markup=False)


@app.command()
def doctor(context: typer.Context) -> None:
    """Say what is installed, what runs, and what is missing. 环境检查。"""
    from onemap.doctor import examine

    if not examine(settings_of(context)):
        raise SystemExit(1)


_ONLY_HELP = "locate, tiles, weight, fresh or import. 只测一部分。"


@app.command()
def bench(
    only: Annotated[list[str] | None, typer.Option(help=_ONLY_HELP)] = None,
    scale: Annotated[float, typer.Option(min=0.001, max=2.0, help="Size of the city. 规模。")] = 0.02,
    count: Annotated[list[str] | None, typer.Option(help=_COUNT_HELP)] = None,
    tile_list: Annotated[
        Path | None, typer.Option(help="Write the list of tiles asked for (JSON). 写出所请求瓦片的清单。")
    ] = None,
) -> None:
    """Print speeds as ratios to named peers and floors. 性能基准。"""
    from benchmarks.run import run

    run(only or [], scale, _counts(count or []), tile_list)


@db.command("start")
def db_start(context: typer.Context) -> None:
    """Start the private PostGIS; it stays until `onemap db stop`. 启动。"""
    from onemap import serve as serving

    with serving.database(settings_of(context), stays=True) as url:
        out.print(url, markup=False)


@db.command("stop")
def db_stop(context: typer.Context) -> None:
    """Stop the private PostGIS. 停止。"""
    from onemap.cluster import Cluster

    stopped = Cluster(_private(context).home).stop()
    out.print(say("已停止", "stopped") if stopped else say("未在运行", "was not running"))


@db.command("status")
def db_status(context: typer.Context) -> None:
    """Say whether the private PostGIS runs, and its address. 状态。"""
    from onemap.cluster import Cluster

    cluster = Cluster(_private(context).home)
    if not cluster.is_running:
        out.print(say("未在运行", "not running"))
        raise SystemExit(3)
    out.print(cluster.url, markup=False)


@db.command("migrate")
def db_migrate(context: typer.Context) -> None:
    """Bring the schema to this version and register the known layers. 升级数据库结构。"""
    from onemap import serve as serving

    with serving.database(settings_of(context)):
        out.print(say("数据库结构已是最新", "the schema is up to date"))


@layers_app.command("list")
def layers_list(context: typer.Context) -> None:
    """Every layer with its version, rows and access. 图层列表。"""
    from onemap.administration import print_layers

    print_layers(settings_of(context))


@layers_app.command("versions")
def layers_versions(context: typer.Context, layer: str) -> None:
    """The versions of a layer and what each changed. 版本历史。"""
    from onemap.administration import print_versions

    print_versions(settings_of(context), layer)


@layers_app.command("moments")
def layers_moments(
    context: typer.Context,
    layers: Annotated[list[str] | None, typer.Argument(help="All without any. 缺省为全部。")] = None,
    since: Annotated[str | None, typer.Option(help="Date or time. 起。")] = None,
    until: Annotated[str | None, typer.Option(help="Date or time. 止。")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many. 最近若干次。")] = 100,
) -> None:
    """When layers changed, newest first. 图层在哪些时刻有变化。"""
    from onemap.comparing import print_moments

    print_moments(settings_of(context), layers or [], since, until, limit)


@layers_app.command("compare")
def layers_compare(
    context: typer.Context,
    layer: str,
    earlier: Annotated[str, typer.Argument(help="Version, or date. 版本或日期。")],
    later: Annotated[str, typer.Argument(help="Version, date, or now. 版本、日期或 now。")] = "now",
    rows: Annotated[bool, typer.Option("--rows", help="Show the first rows of each kind. 列出行。")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write every row to .xlsx or .geojson. 报告文件。")
    ] = None,
) -> None:
    """What differs between two versions or dates: how many rows, where, and which. 比较两个版本或日期。"""
    from onemap.comparing import compare

    compare(settings_of(context), layer, earlier, later, rows=rows, report=report)


@layers_app.command("export")
def layers_export(
    context: typer.Context,
    layer: str,
    path: Annotated[Path, typer.Argument(help=".gpkg .shp .zip .geojson .csv")],
    version: Annotated[int | None, typer.Option(help="An earlier version. 较早的版本。")] = None,
    crs: Annotated[
        str, typer.Option(help="cgcs2000, wgs84, gcj02, bd09, EPSG:n, local:NAME. 坐标系。")
    ] = "cgcs2000",
    encoding: Annotated[str, typer.Option(help="Of a Shapefile: utf-8 or gbk. 文字编码。")] = "utf-8",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file. 覆盖已有文件。")] = False,
) -> None:
    """Write a layer to a file. 导出图层。"""
    from onemap.exporting import export

    export(
        settings_of(context),
        layer,
        path,
        version=version,
        crs=crs,
        encoding=encoding.lower(),
        overwrite=overwrite,
    )


@layers_app.command("rollback")
def layers_rollback(context: typer.Context, layer: str, version: int) -> None:
    """Publish the content of an earlier version as the next one. 回滚。"""
    from onemap.administration import roll_back

    roll_back(settings_of(context), layer, version)


@layers_app.command("access")
def layers_access(context: typer.Context, layer: str, level: str) -> None:
    """Say who may see a layer: public, login or restricted. 设置查看权限。"""
    from onemap.administration import set_access

    set_access(settings_of(context), layer, level)


@layers_app.command("withdraw")
def layers_withdraw(context: typer.Context, layer: str) -> None:
    """Take a layer off the map; its rows are kept. 下架。"""
    from onemap.administration import withdraw

    withdraw(settings_of(context), layer)


@layers_app.command("restore")
def layers_restore(context: typer.Context, layer: str) -> None:
    """Put a withdrawn layer back on the map. 恢复。"""
    from onemap.administration import restore

    restore(settings_of(context), layer)


@account_app.command("add")
def account_add(
    context: typer.Context,
    name: str,
    role: Annotated[list[str], typer.Option(help="viewer, inspector, dispatcher, publisher, admin. 角色。")],
    title: Annotated[str, typer.Option(help="What people call the person. 姓名或职务。")] = "",
    department: Annotated[str | None, typer.Option(help="Department code. 部门代码。")] = None,
    district: Annotated[
        list[str] | None, typer.Option(help="Codes the account is limited to. 辖区。")
    ] = None,
) -> None:
    """Add an account; the password is asked for. 新建账户。"""
    from onemap.administration import add_account

    password = typer.prompt(say("密码", "password"), hide_input=True, confirmation_prompt=True)
    add_account(
        settings_of(context), name, password=password, title=title, roles=role, department=department,
        districts=tuple(district or ()),
    )  # fmt: skip


@account_app.command("change")
def account_change(
    context: typer.Context,
    name: str,
    department: Annotated[
        str | None, typer.Option(help='Department code; "" for none. 部门代码，""为无。')
    ] = None,
    district: Annotated[
        list[str] | None, typer.Option(help='Codes the account is limited to; "" for no limit. 辖区。')
    ] = None,
) -> None:
    """Change the department and the districts of an account. 修改账户的部门与辖区。"""
    from onemap.administration import set_reach

    districts = None if district is None else [code for code in district if code]
    set_reach(settings_of(context), name, department, districts)


@account_app.command("list")
def account_list(context: typer.Context) -> None:
    """Every account with its roles. 账户列表。"""
    from onemap.administration import print_accounts

    print_accounts(settings_of(context))


@rules_app.command("load")
def rules_load(
    context: typer.Context,
    rules: Annotated[Path | None, typer.Argument(help="CSV; takes the place of all rules. 规则表。")] = None,
    departments: Annotated[Path | None, typer.Option(help="CSV: code, name, name_en. 部门表。")] = None,
) -> None:
    """Put in departments and dispatch rules. 载入部门与派遣规则。"""
    from onemap.dispatching import load

    load(settings_of(context), rules, departments)


@rules_app.command("list")
def rules_list(context: typer.Context) -> None:
    """The rules in the order in which they decide. 按判定顺序列出派遣规则。"""
    from onemap.dispatching import print_rules

    print_rules(settings_of(context))


@coordinates_app.command("list")
def coordinates_list(context: typer.Context) -> None:
    """The city-local systems that are kept; secret parameters are not shown. 已登记的地方坐标系。"""
    from onemap.coordinates import print_systems

    print_systems(settings_of(context))


@coordinates_app.command("fit")
def coordinates_fit(
    points: Annotated[Path, typer.Argument(help="CSV: name, x, y, to_x, to_y. 控制点表。")],
    to: Annotated[str | None, typer.Option(help="Plane that 4 parameters lead to. 四参数的目标系。")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="System that 7 parameters lead from. 七参数的源坐标系。")
    ] = None,
    x_is: Annotated[str, typer.Option(help="north or east, for planes. X 轴方向。")] = "north",
    convention: Annotated[
        str, typer.Option(help="position_vector or coordinate_frame. 七参数旋转约定。")
    ] = "position_vector",
    name: Annotated[str, typer.Option(help="Of the entry printed. 名称。")] = "我市独立坐标系",
) -> None:
    """Work out 4 or 7 parameters from control points, with what is left in metres. 由控制点求转换参数。"""
    from onemap.coordinates import fit

    if (to is None) == (from_ is None):
        raise BadRequest(
            "请给出 --to（四参数）或 --from（七参数）之一",
            "say either --to (4 parameters) or --from (7 parameters)",
            field="to",
            value=str(to),
            expected="--to EPSG:4548, or --from EPSG:2436",
        )
    for field, value, allowed in (
        ("x_is", x_is, ("north", "east")),
        ("convention", convention, ("position_vector", "coordinate_frame")),
    ):
        if value not in allowed:
            said = " / ".join(allowed)
            raise BadRequest(
                f"{field} 应为 {said}", f"{field} is {said}", field=field, value=value, expected=said
            )
    fit(points, to=to, from_=from_, x_is=x_is, convention=convention, name=name)  # type: ignore[arg-type]


def _interrupt(*_: object) -> None:
    """SIGTERM ends a command as Ctrl-C does: what it began is undone or stopped in order."""
    raise KeyboardInterrupt


def _counts(given: list[str]) -> dict[str, int]:
    """`LAYER=N` words as numbers; raises `BadRequest` for others."""
    from sample_data.city import FULL_COUNTS

    counts = {}
    for word in given:
        layer, _, number = word.partition("=")
        if layer not in FULL_COUNTS or not number.isascii() or not number.isdecimal() or int(number) < 1:
            known = ", ".join(FULL_COUNTS)
            raise BadRequest(
                f"无法理解的数量“{word}”",
                f"cannot understand the count {word!r}",
                field="count",
                value=word,
                expected=f"LAYER=N, N from 1, LAYER one of {known}",
            )
        counts[layer] = int(number)
    return counts


def _private(context: typer.Context) -> Settings:
    settings = settings_of(context)
    if settings.database_url is not None:
        raise BadRequest(
            "已设置 ONEMAP_DATABASE_URL，数据库由您自己管理",
            "ONEMAP_DATABASE_URL is set: that database is yours to start and stop",
            field="ONEMAP_DATABASE_URL",
            value="(set)",
            expected="unset",
        )
    return settings


if __name__ == "__main__":
    main()
