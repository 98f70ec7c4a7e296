"""Asking a test's database what an import left in it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, list_layers
from layers.db import Database
from layers.import_runs import list_runs
from layers.model import Layer
from layers.query import FeatureQuery, features


class Row(NamedTuple):
    """One published row: its attributes and its GeoJSON geometry."""

    values: dict[str, Any]
    geometry: Any


async def rows_of(db: Database, layer_id: str, version: int | None = None) -> dict[str, Row]:
    """The rows of a published layer by their key."""
    layer = await get_layer(db, layer_id)
    page = await features(db, scope_for(SYSTEM, layer, version=version), FeatureQuery(limit=10_000))
    return {f.key: Row(dict(f.properties), _json(f.geometry)) for f in page.features}


async def state_of(db: Database) -> dict[str, tuple[int, str, int]]:
    """Version, status and number of rows of each layer: equal before and after whatever writes nothing."""
    return {la.id: (la.version, la.status, la.feature_count) for la in await list_layers(db)}


async def layer_of(db: Database, layer_id: str) -> Layer:
    return await get_layer(db, layer_id)


async def runs_of(db: Database) -> list[tuple[str, str | None, str]]:
    """File, layer and state of each recorded import, oldest first."""
    runs = sorted(await list_runs(db), key=lambda run: run.started_at)
    return [(run.file_name, run.layer_id, run.state) for run in runs]


async def left_behind(db: Database) -> list[str]:
    """Names of the tables in the stage schema."""
    from sqlalchemy import text

    async with db.connect() as connection:
        statement = text("SELECT tablename FROM pg_tables WHERE schemaname = 'onemap_stage'")
        return sorted((await connection.scalars(statement)).all())


def _json(geometry: object) -> Any:
    return json.loads(geometry) if isinstance(geometry, (str, bytes)) else geometry
