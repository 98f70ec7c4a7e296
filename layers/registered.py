"""Layers that are a table or view of the user's own: registered, looked at again, checked, unregistered.

The table is read where it is and never written to; the record in our catalogue is all that comes and goes
(and, where wanted, a trigger that tells of changes, `layers.follow`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import follow, schema
from layers.catalogue import find_layer, get_layer, lock_layer, read_layer
from layers.db import Database
from layers.description import check, to_json
from layers.errors import Conflict, OneMapError
from layers.model import Layer, Relation, Text
from layers.notices import LAYER_CHANNEL, notify
from layers.origins import origin_json
from layers.registration import Finding, Registered, Registration
from layers.relation import relation_of
from layers.relation_state import find_faults
from layers.table_facts import TableFacts, table_facts
from layers.table_fields import choose_fields, choose_key
from layers.table_geometry import Place, find_place
from layers.table_indexes import index_remarks
from layers.table_measure import least_zoom, measure, remarks, require_unique, require_zone

__all__ = ["check_registered", "look", "refresh", "register_table", "unregister"]

LOOK_TIMEOUT_MS = 60_000
"""How long one look at a table may take: its key is compared, its rows are counted."""

_log = logging.getLogger(__name__)


async def look(db: Database, wanted: Registration) -> Registered:
    """What registering would make, and what was found out; nothing is written. Raises as `register_table`."""
    async with db.begin(timeout_ms=LOOK_TIMEOUT_MS) as connection:
        return await _look(connection, wanted)


async def register_table(db: Database, wanted: Registration, *, by: str) -> Registered:
    """Makes the table a layer that is seen at once by whom its access level lets.

    Raises `NotFound` (no such table), `NotAllowed` (no right to read it), `BadRequest` or `BadData` (naming
    what must be said or cannot be), `Conflict` (the id is taken).
    """
    async with db.begin(timeout_ms=LOOK_TIMEOUT_MS) as connection:
        await refuse_taken(connection, wanted.id)
        found = await _look(connection, wanted)
        layer = found.layer
        if wanted.follow:
            facts = await table_facts(connection, wanted.schema, wanted.table)
            await follow.install(connection, facts, layer.id)
        state = {**layer_state(layer), "version": 1}
        await connection.execute(
            insert(schema.layer).values(id=layer.id, access=layer.access, status="published", **state)
        )
        await notify(connection, LAYER_CHANNEL, layer.id, 1)
        registered = await read_layer(connection, layer.id)
    _log.info("layer %s is %s now, registered by %s", layer.id, wanted.table, by)
    return Registered(registered, found.findings)


async def refresh(db: Database, layer_id: str) -> Registered:
    """Looks at the table again: types, count, bounds, triggers of new partitions; the version counts up.

    Raises `NotFound`, `Conflict` for a layer that is not registered, and as `register_table`.
    """
    async with db.begin(timeout_ms=LOOK_TIMEOUT_MS) as connection:
        before = _require_registered(await read_layer(connection, layer_id))
        wanted = _as_registered(before)
        found = await _look(connection, wanted)
        if wanted.follow:
            facts = await table_facts(connection, wanted.schema, wanted.table)
            await follow.install(connection, facts, layer_id)
        standing = await lock_layer(connection, layer_id)
        layer = _with_titles_of(found.layer, standing)
        number = standing.version + 1
        await connection.execute(
            update(schema.layer)
            .where(schema.layer.c.id == layer_id)
            .values({**layer_state(layer), "version": number})
        )
        await notify(connection, LAYER_CHANNEL, layer_id, number)
        return Registered(await read_layer(connection, layer_id), found.findings)


async def unregister(db: Database, layer_id: str, *, by: str) -> None:
    """Forgets the layer; the table stays as it is. Raises `NotFound`, `Conflict` if it is not registered."""
    async with db.begin() as connection:
        layer = _require_registered(await lock_layer(connection, layer_id))
        relation = relation_of(layer)
        if relation.follows:
            await follow.remove(connection, relation, layer_id)
        await connection.execute(delete(schema.layer).where(schema.layer.c.id == layer_id))
        await notify(connection, LAYER_CHANNEL, layer_id, layer.version + 1)
    _log.info("layer %s is no longer registered, by %s", layer_id, by)


async def check_registered(db: Database, layer_id: str) -> list[Finding]:
    """What is wrong with the table of a registered layer now, the faults first; nothing is written.

    Raises `NotFound`, `Conflict` if it is not registered.
    """
    layer = _require_registered(await get_layer(db, layer_id))
    faults = await find_faults(db, [layer], touch=True)
    if faults:
        return [Finding("fault", faults[layer_id].sentence)]
    try:
        async with db.begin(timeout_ms=LOOK_TIMEOUT_MS) as connection:
            found = await _look(connection, _as_registered(layer))
            relation = relation_of(layer)
            lacking = (
                await follow.unfollowed_parts(connection, relation, layer_id) if relation.follows else []
            )
    except OneMapError as error:
        return [Finding("fault", Text(error.zh, error.en), error.facts.get("sql"))]
    findings = [finding for finding in found.findings if finding.kind != "left out"]
    if lacking:
        names = ", ".join(lacking)
        findings.append(
            Finding(
                "warning",
                Text(
                    f"{names} 没有变化触发器，请运行 onemap layers refresh {layer_id}",
                    f"no trigger tells of changes of {names}: run `onemap layers refresh {layer_id}`",
                ),
            )
        )
    return findings


async def _look(connection: AsyncConnection, wanted: Registration) -> Registered:
    facts = await table_facts(connection, wanted.schema, wanted.table)
    key = choose_key(facts, wanted.key)
    chosen = choose_fields(facts, wanted, key.column)
    place = await find_place(connection, facts, wanted)
    names = dict.fromkeys((key.column, *chosen.reads))
    types = {name: column.type for name in names if (column := facts.column(name)) is not None}
    geometry = facts.column(place.column)
    assert geometry is not None
    relation = Relation(
        schema=facts.schema,
        name=facts.name,
        key=key.column,
        key_type=key.type,
        is_unique=key.is_unique,
        geometry=place.column,
        srid=place.srid,
        is_unstated=place.is_unstated,
        domain=place.domain,
        extent=place.extent,
        reads=chosen.reads,
        types={**types, place.column: geometry.whole_type},
        zone=wanted.zone,
        follows=wanted.follow,
    )
    layer = _layer(facts, wanted, place, relation, chosen.fields)
    check(layer)
    await require_zone(connection, wanted.zone)
    if not key.is_unique:
        await require_unique(connection, facts, layer)
    measured = await measure(connection, facts, layer)
    layer = replace(
        layer,
        feature_count=measured.rows,
        bounds=measured.bounds,
        relation=replace(relation, is_estimate=measured.is_estimate),
        min_zoom=wanted.min_zoom if wanted.min_zoom is not None else least_zoom(measured),
    )
    findings = [*place.findings, *chosen.findings, *remarks(facts, layer, measured)]
    findings += await index_remarks(connection, facts, place, layer)
    return Registered(layer, tuple(findings))


def _layer(
    facts: TableFacts, wanted: Registration, place: Place, relation: Relation, fields: tuple[Any, ...]
) -> Layer:
    comment = (facts.comment or "").strip()
    return Layer(
        id=wanted.id,
        title=wanted.title,
        theme=wanted.theme,
        geometry_type=place.type,
        fields=fields,
        key=relation.key,
        name_field=wanted.name_field,
        search_fields=wanted.search_fields,
        district_field=wanted.district_field,
        time_field=wanted.time_field,
        owner=wanted.owner,
        access=wanted.access,
        description=wanted.description if any(wanted.description) else Text(comment, comment),
        kind="registered",
        relation=relation,
        origins=(place.origin,),
    )


def layer_state(layer: Layer) -> dict[str, Any]:
    """The columns of the catalogue that a look decides."""
    return {
        "description": to_json(layer),
        "theme": layer.theme,
        "owner": layer.owner,
        "published_at": func.now(),
        "feature_count": layer.feature_count,
        "bounds": None if layer.bounds is None else list(layer.bounds),
        "origins": [origin_json(origin) for origin in layer.origins],
    }


def _as_registered(layer: Layer) -> Registration:
    """What was said when the layer was registered."""
    relation = relation_of(layer)
    shape = relation.types[relation.geometry].casefold()
    says_type = "(" in shape and "(geometry" not in shape
    return Registration(
        schema=relation.schema,
        table=relation.name,
        id=layer.id,
        title=layer.title,
        key=relation.key,
        geometry=relation.geometry,
        srid=relation.srid if relation.is_unstated else None,
        geometry_type=None if says_type else layer.geometry_type,
        fields=layer.field_names,
        sensitive={f.name: f.sensitivity for f in layer.fields},
        name_field=layer.name_field,
        search_fields=layer.search_fields,
        district_field=layer.district_field,
        time_field=layer.time_field,
        zone=relation.zone,
        access=layer.access,
        theme=layer.theme,
        owner=layer.owner,
        description=layer.description,
        min_zoom=layer.min_zoom,
        follow=relation.follows,
    )


def _with_titles_of(layer: Layer, standing: Layer) -> Layer:
    """The layer with the fields' titles as they stand."""
    titles = {f.name: f.title for f in standing.fields}
    return replace(layer, fields=tuple(replace(f, title=titles.get(f.name, f.title)) for f in layer.fields))


async def refuse_taken(connection: AsyncConnection, layer_id: str) -> None:
    """Raises `Conflict` if there is such a layer; until the transaction ends nobody else makes one."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("onemap.register"))))
    if await find_layer(connection, layer_id) is not None:
        raise Conflict(
            f"已有图层 {layer_id}，请换一个标识",
            f"there is a layer {layer_id!r} already; choose another id",
            layer=layer_id,
        )


def _require_registered(layer: Layer) -> Layer:
    if layer.relation is None:
        raise Conflict(
            f"图层“{layer.title.zh}”不是登记的数据表",
            f"layer {layer.id!r} is not a registered table",
            layer=layer.id,
        )
    return layer
