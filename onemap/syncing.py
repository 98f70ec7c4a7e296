"""Syncs at the command line, as the operator, who may do everything."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Table

from layers import sync_runs, syncs
from layers.access import SYSTEM
from layers.db import Database
from layers.sync_runs import SyncRun
from layers.syncs import Draft, Sync
from layers.timetable import CITY_ZONE, timetable
from onemap.administration import OPERATOR, heads, with_database
from onemap.settings import Settings
from onemap.terminal import language, out, say

STATES: dict[str, tuple[str, str]] = {
    "running": ("进行中", "running"),
    "waiting": ("待审核", "waits for a person"),
    "published": ("已发布", "published"),
    "unchanged": ("无变化", "unchanged"),
    "refreshed": ("已刷新", "refreshed"),
    "postponed": ("稍后再读", "read later"),
    "refused": ("被拒绝", "refused"),
    "failed": ("失败", "failed"),
    "discarded": ("已放弃", "discarded"),
}


def add(settings: Settings, draft: Draft) -> None:
    """Keeps a sync of the operator's and says when it runs. Raises as `layers.syncs.add_sync`."""
    made = with_database(
        settings,
        lambda db: syncs.add_sync(
            db, draft, SYSTEM, folder=settings.sync_folder, now=datetime.now(UTC), by=OPERATOR
        ),
    )
    _print_times(made)


def print_syncs(settings: Settings) -> bool:
    """A table of the syncs; False if one is failing."""

    async def ask(db: Database) -> tuple[list[Sync], dict[str, SyncRun]]:
        return await syncs.list_syncs(db, SYSTEM), await sync_runs.latest_runs(db)

    found, latest = with_database(settings, ask)
    table = Table(*heads(("名称", "name"), ("时间表", "timetable"), ("下次", "next"), ("上次", "last"),
                          ("结果", "result"), ("失败自", "failing since")))  # fmt: skip
    for one in found:
        last = latest.get(one.name)
        table.add_row(
            one.name,
            _sentence(one),
            say("已暂停", "paused") if one.is_paused else _moment(one.next_at),
            "" if last is None else _moment(last.started_at),
            "" if last is None else _result(last),
            "" if one.failing_since is None else f"{_moment(one.failing_since)} ({one.failures})",
        )
    out.print(table)
    return not any(one.is_failing for one in found)


def show(settings: Settings, name: str) -> None:
    """A sync, its next moments and its latest runs. Raises `NotFound`."""

    async def ask(db: Database) -> tuple[Sync, list[SyncRun]]:
        return await syncs.get_sync(db, name), await sync_runs.list_sync_runs(db, name, limit=10)

    one, runs = with_database(settings, ask)
    source = ", ".join(f"{key}={value}" for key, value in one.source.items())
    out.print(f"{one.name}: {one.title or one.kind}, {source}, {one.owner}", markup=False)
    for key, value in one.options.items():
        out.print(f"  {key}: {value}", markup=False)
    out.print(
        say("总是由人审核", "never without a person")
        if one.policy == "review"
        else say("界限内自动发布", "published by itself within bounds"),
        f"(−{one.most_removed:g} % / ±{one.most_changed:g} %)"
        if one.most_removed is not None and one.most_changed is not None
        else "",
        markup=False,
    )
    _print_times(one)
    for run in runs:
        out.print(f"  {_moment(run.started_at)}  {_result(run)}", markup=False)


def run_now(settings: Settings, name: str, *, again: bool) -> None:
    """Asks the worker to run the sync. Raises `NotFound`."""
    with_database(settings, lambda db: syncs.ask_for_run(db, name, SYSTEM, again=again, by=OPERATOR))
    out.print(say(f"{name} 将由导入进程立即执行", f"the worker runs {name} now"), markup=False)


def pause(settings: Settings, name: str, *, paused: bool) -> None:
    """Stops or goes on with its timetable. Raises `NotFound`."""
    one = with_database(
        settings, lambda db: syncs.pause_sync(db, name, SYSTEM, paused=paused, now=datetime.now(UTC))
    )
    _print_times(one)


def remove(settings: Settings, name: str) -> None:
    """Forgets the sync. Raises `NotFound`."""
    with_database(settings, lambda db: syncs.remove_sync(db, name, SYSTEM))
    out.print(
        say(f"{name} 已删除，已导入的内容不变", f"{name} is gone; what it imported stays"), markup=False
    )


def _print_times(one: Sync) -> None:
    if one.is_paused:
        out.print(say(f"{one.name} 已暂停", f"{one.name} is paused"), markup=False)
        return
    following = [one.next_at, *timetable(one.timetable).following(one.next_at, 2)]
    when = "、".join(map(_moment, following)) if language() == "zh" else ", ".join(map(_moment, following))
    out.print(
        say(f"{one.name}：{_sentence(one)}；接下来 {when}", f"{one.name}: {_sentence(one)}; next {when}"),
        markup=False,
    )


def _sentence(one: Sync) -> str:
    sentence = timetable(one.timetable).sentence
    return sentence.zh if language() == "zh" else sentence.en


def _result(run: SyncRun) -> str:
    told = say(*STATES[run.state])
    versions = ", ".join(
        f"{made['layer']} → {made['version']}"
        + (f" (+{made['added']} ~{made['changed']} −{made['removed']})" if "added" in made else "")
        for made in run.made
    )
    why = run.sentence.get("zh" if language() == "zh" else "en", "")
    return " ".join(part for part in (told, versions, why) if part)


def _moment(at: datetime) -> str:
    return at.astimezone(CITY_ZONE).strftime("%Y-%m-%d %H:%M")
