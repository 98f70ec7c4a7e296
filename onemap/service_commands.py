"""Commands about services of other systems: `onemap layers services look`, `register`, `list`, …"""

from __future__ import annotations

from typing import Annotated

import typer

from onemap.settings import settings_of

services_app = typer.Typer(no_args_is_help=True, help="Services of other systems. 其他系统的服务。")

_KIND_HELP = "wms, wmts, wfs, ogc, arcgis, supermap, xyz, mvt or tilejson; found out unless said. 类型。"
_SECRETS_SAID = "query:NAME=VALUE, header:NAME=VALUE or basic:USER=PASSWORD. 令牌或密码。"
_Secret = Annotated[list[str] | None, typer.Option("--secret", help=_SECRETS_SAID)]
_Kind = Annotated[str | None, typer.Option(help=_KIND_HELP)]


@services_app.command("look")
def services_look(context: typer.Context, url: str, kind: _Kind = None, secret: _Secret = None) -> None:
    """Say which kind of service an address leads to, and the layers it offers. 查看服务。"""
    from onemap.serving_others import look

    look(settings_of(context), url, kind, secret or ())


@services_app.command("register")
def services_register(
    context: typer.Context,
    url: str,
    id_: Annotated[str, typer.Option("--id", help="Layer id. 图层标识。")],
    layer: Annotated[str | None, typer.Option(help="Its name there. 对方的图层名。")] = None,
    kind: _Kind = None,
    title: Annotated[str | None, typer.Option(help="Title. 名称。")] = None,
    title_en: Annotated[str | None, typer.Option(help="English title. 英文名称。")] = None,
    style: Annotated[str | None, typer.Option(help="One of its styles. 样式。")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="image/png, … 图片格式。")] = None,
    parts: Annotated[str | None, typer.Option(help="Layers in its vector tiles, a,b. 瓦片内图层。")] = None,
    access: Annotated[str, typer.Option(help="public, login or restricted. 查看权限。")] = "login",
    theme: Annotated[str, typer.Option(help="Theme it is listed under. 专题。")] = "other",
    owner: Annotated[str, typer.Option(help="Department code. 主管部门。")] = "",
    min_zoom: Annotated[
        int | None, typer.Option(min=0, max=22, help="Drawn from here on. 最小级别。")
    ] = None,
    max_zoom: Annotated[
        int | None, typer.Option(min=0, max=22, help="Asked for up to here. 最大级别。")
    ] = None,
    attribution: Annotated[str | None, typer.Option(help="Shown on the map. 数据来源说明。")] = None,
    secret: _Secret = None,
) -> None:
    """Make a layer of another system's service a layer of ours. 登记服务图层。"""
    from api.services.registering import ServiceRegistration
    from layers.model import Text
    from onemap.administration import access_level
    from onemap.serving_others import read_secrets, register

    wanted = ServiceRegistration(
        url=url,
        id=id_,
        kind=kind,
        layer=layer,
        style=style,
        format=format_,
        parts=tuple(name.strip() for name in (parts or "").split(",") if name.strip()),
        title=None if title is None else Text(title, title_en or title),
        theme=theme,
        owner=owner,
        access=access_level(access),
        min_zoom=min_zoom,
        max_zoom=max_zoom,
        attribution=attribution,
        secrets=read_secrets(secret or ()),
    )
    register(settings_of(context), wanted)


@services_app.command("list")
def services_list(context: typer.Context) -> None:
    """Every registered service, where it is, and whether it answers. 服务列表。"""
    from onemap.serving_others import print_services

    print_services(settings_of(context))


@services_app.command("check")
def services_check(context: typer.Context, layer: str) -> None:
    """Ask a service now; exit code 1 if it does not answer. 检查服务。"""
    from onemap.serving_others import check

    if not check(settings_of(context), layer):
        raise SystemExit(1)


@services_app.command("change")
def services_change(
    context: typer.Context,
    layer: str,
    title: Annotated[str | None, typer.Option(help="Title. 名称。")] = None,
    theme: Annotated[str | None, typer.Option(help="Theme. 专题。")] = None,
    owner: Annotated[str | None, typer.Option(help="Department code. 主管部门。")] = None,
    access: Annotated[str | None, typer.Option(help="public, login or restricted. 查看权限。")] = None,
    attribution: Annotated[str | None, typer.Option(help="Shown on the map. 数据来源说明。")] = None,
    secret: _Secret = None,
) -> None:
    """Say a service's layer anew; --secret takes the place of all that were kept. 修改服务图层。"""
    from layers.model import Text
    from layers.services import ServiceChange
    from onemap.administration import access_level
    from onemap.serving_others import change, read_secrets

    wanted = ServiceChange(
        title=None if title is None else Text(title, title),
        theme=theme,
        owner=owner,
        access=None if access is None else access_level(access),
        attribution=attribution,
        secrets=None if secret is None else read_secrets(secret),
    )
    change(settings_of(context), layer, wanted)


@services_app.command("remove")
def services_remove(context: typer.Context, layer: str) -> None:
    """Forget a service's layer, its tokens and its counts. 取消登记。"""
    from onemap.serving_others import remove

    remove(settings_of(context), layer)


@services_app.command("calls")
def services_calls(
    context: typer.Context,
    layer: str,
    days: Annotated[int, typer.Option(min=1, max=400, help="Up to today. 天数。")] = 30,
) -> None:
    """How often a service was called through ours, by day and account. 调用统计。"""
    from onemap.serving_others import print_calls

    print_calls(settings_of(context), layer, days)
