"""Commands about review before release: `onemap review list`, `approve`, `send-back` and `demand`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from onemap.settings import settings_of

review_app = typer.Typer(no_args_is_help=True, help="Review before release. 审核发布。")

ImportId = Annotated[UUID, typer.Argument(help="Id of the import. 导入编号。")]


@review_app.command("list")
def review_list(context: typer.Context) -> None:
    """The imports that wait for a reviewer, and the layers that demand one. 待审核的导入。"""
    from onemap.reviewing import print_waiting

    print_waiting(settings_of(context))


@review_app.command("approve")
def review_approve(
    context: typer.Context,
    import_id: ImportId,
    note: Annotated[str, typer.Option(help="What is said of it. 意见。")] = "",
) -> None:
    """Publish a submitted import as the operator. 审核通过并发布。"""
    from onemap.reviewing import approve

    approve(settings_of(context), import_id, note)


@review_app.command("send-back")
def review_send_back(
    context: typer.Context,
    import_id: ImportId,
    reason: Annotated[str, typer.Option(help="Why. 原因。")],
) -> None:
    """Give a submitted import back to who imported it. 退回。"""
    from onemap.reviewing import send_back

    send_back(settings_of(context), import_id, reason)


@review_app.command("demand")
def review_demand(
    context: typer.Context,
    layer: str,
    off: Annotated[bool, typer.Option("--off", help="No longer. 取消。")] = False,
) -> None:
    """Demand another person than who imported for one layer. 要求该图层由他人审核。"""
    from onemap.reviewing import demand

    demand(settings_of(context), layer, demanded=not off)
