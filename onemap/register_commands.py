"""Commands about registered layers: `onemap layers register`, `refresh`, `check` and `unregister`."""

from __future__ import annotations

from typing import Annotated

import typer

from onemap.settings import settings_of


def add_register_commands(layers_app: typer.Typer) -> None:
    """Adds them to the commands about layers."""
    layers_app.command("register")(layers_register)
    layers_app.command("refresh")(layers_refresh)
    layers_app.command("check")(layers_check)
    layers_app.command("unregister")(layers_unregister)


def layers_register(
    context: typer.Context,
    id_: Annotated[str, typer.Option("--id", help="Layer id. 图层标识。")],
    title: Annotated[str, typer.Option(help="Title. 名称。")],
    table: Annotated[str | None, typer.Argument(help="Schema.table of this database. 模式.表名。")] = None,
    function: Annotated[
        str | None, typer.Option(help="Schema.function instead of a table. 模式.函数名。")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="ARGUMENT=1..9 or ARGUMENT=a,b,c. 参数的取值。")
    ] = None,
    most_rows: Annotated[
        int | None, typer.Option(help="Rows of a function drawn in one tile. 每个瓦片的行数。")
    ] = None,
    title_en: Annotated[str | None, typer.Option(help="English title. 英文名称。")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names rows. 键列。")] = None,
    geometry: Annotated[str | None, typer.Option(help="Geometry column. 几何列。")] = None,
    srid: Annotated[int | None, typer.Option(help="EPSG code of rows that say none. 坐标系。")] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Point, LineString, Polygon or Geometry. 几何类型。")
    ] = None,
    fields: Annotated[str | None, typer.Option(help="Columns that leave, a,b,c. 提供的列。")] = None,
    sensitive: Annotated[
        list[str] | None, typer.Option(help="FIELD=internal or FIELD=personal. 敏感字段。")
    ] = None,
    name_field: Annotated[str | None, typer.Option(help="What a person calls a row. 名称列。")] = None,
    search: Annotated[str | None, typer.Option(help="Columns that are searched, a,b. 搜索的列。")] = None,
    district_field: Annotated[
        str | None, typer.Option(help="Administrative code; accounts are limited by it. 区划列。")
    ] = None,
    time_field: Annotated[str | None, typer.Option(help="Date or time of a row. 时间列。")] = None,
    zone: Annotated[str | None, typer.Option(help="Zone of times without one, Asia/Shanghai. 时区。")] = None,
    access: Annotated[str, typer.Option(help="public, login or restricted. 查看权限。")] = "login",
    theme: Annotated[str, typer.Option(help="Theme it is listed under. 专题。")] = "other",
    owner: Annotated[str, typer.Option(help="Department code. 主管部门。")] = "",
    min_zoom: Annotated[
        int | None, typer.Option(min=0, max=22, help="Drawn from here on. 最小级别。")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Make a trigger that tells of changes. 跟踪变化。")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look. 只查看。")] = False,
) -> None:
    """Make a table, view or function of your own a layer, read where it is. 登记数据表或函数。"""
    from layers.model import Text
    from layers.registration import MOST_ROWS, FunctionRegistration, Registration, named_table
    from onemap import registering
    from onemap.administration import access_level

    if (table is None) == (function is None):
        raise typer.BadParameter("a table or --function, one of the two")
    schema, name = named_table(table or function or "")
    wanted = Registration(
        schema, name, id_, Text(title, title_en or title), key=key, geometry=geometry, srid=srid,
        geometry_type=type_, fields=None if fields is None else _names(fields),
        sensitive=registering.sensitivities(sensitive or ()), name_field=name_field,
        search_fields=_names(search or ""), district_field=district_field, time_field=time_field, zone=zone,
        access=access_level(access), theme=theme, owner=owner, min_zoom=min_zoom, follow=follow,
    )  # fmt: skip
    if function is None:
        for said, value in (("allow", allow), ("most-rows", most_rows)):
            if value is not None:
                raise typer.BadParameter(f"--{said} is for a function")
        registering.register(settings_of(context), wanted, dry_run=dry_run)
        return
    allowed = registering.limits(allow or ())
    of_function = FunctionRegistration(wanted, allowed, MOST_ROWS if most_rows is None else most_rows)
    registering.register_function(settings_of(context), of_function, dry_run=dry_run)


def layers_refresh(context: typer.Context, layer: str) -> None:
    """Look at a registered table or function again; maps are drawn anew. 重新读取登记的表。"""
    from onemap.registering import refresh

    refresh(settings_of(context), layer)


def layers_check(context: typer.Context, layer: str) -> None:
    """Say what is wrong with a registered layer; exit code 1 if it cannot be served. 检查登记的图层。"""
    from onemap.registering import check

    if not check(settings_of(context), layer):
        raise SystemExit(1)


def layers_unregister(context: typer.Context, layer: str) -> None:
    """Forget a registered layer; its table or function stays as it is. 取消登记。"""
    from onemap.registering import unregister

    unregister(settings_of(context), layer)


def _names(said: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(name.strip() for name in said.split(",") if name.strip())
