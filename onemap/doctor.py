"""`onemap doctor`: what is installed, what runs, what is missing, one line each."""

from __future__ import annotations

import shutil
import sys

from layers.errors import OneMapError
from onemap import postgres
from onemap.cluster import Cluster
from onemap.settings import Settings
from onemap.terminal import language, out, say
from themes.glyphs import find_faces


def examine(settings: Settings) -> bool:
    """Prints the findings; True if the service can run here."""
    fine = True
    for what, finding, good in (
        (say("Python", "Python"), sys.version.split()[0], sys.version_info >= (3, 11)),
        (say("网页", "page"), *_page(settings)),
        (say("数据库", "database"), *_database(settings)),
        (say("磁盘", "disk"), *_disk(settings)),
        (say("字体", "fonts"), _fonts(settings), True),
    ):
        out.print(f"{'✓' if good else '✗'} {what}: {finding}", markup=False)
        fine = fine and good
    return fine


def _page(settings: Settings) -> tuple[str, bool]:
    if (settings.web_root / "index.html").is_file():
        return str(settings.web_root), True
    return say("尚未构建，请运行 make demo", "not built yet; run make demo"), False


def _database(settings: Settings) -> tuple[str, bool]:
    if settings.database_url is not None:
        return say("由 ONEMAP_DATABASE_URL 指定", "named by ONEMAP_DATABASE_URL"), True
    try:
        programs = postgres.choose()
        cluster = Cluster(settings.home)
        state = say("运行中", "running") if cluster.is_running else say("未运行", "not running")
    except OneMapError as error:
        return error.sentence(language()), False
    return f"PostgreSQL {programs.major} ({programs.folder}), {cluster.data}: {state}", True


def _fonts(settings: Settings) -> str:
    """Nothing stops without one: only the maps of other systems then have no text of ours."""
    faces = find_faces(settings.font_folders)
    if faces:
        return ", ".join(face.file.name for face in faces[:3])
    return say(
        f"未找到；样式不含 glyphs。可将黑体字体放入 {settings.home / 'fonts'}",
        f"none found; styles come without glyphs. Put a sans font into {settings.home / 'fonts'}",
    )


def _disk(settings: Settings) -> tuple[str, bool]:
    place = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free_gib = shutil.disk_usage(place).free / 2**30
    return say(f"剩余 {free_gib:.0f} GiB", f"{free_gib:.0f} GiB free"), free_gib > 2
