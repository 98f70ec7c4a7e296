"""From a stage to the next version: compare, apply in one transaction, roll back, withdraw, restore.

Readers see the version before or the version after, never between. What leaves the current rows goes to
the past rows with the version in which it ended, so every version can be asked for again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from layers import finish, schema
from layers.arrival import Batch
from layers.become import become_rows, can_become_rows
from layers.catalogue import lock_layer, read_layer, refuse_registered, set_status
from layers.db import Database
from layers.difference import find_changes, measure
from layers.errors import Conflict, NotAllowed, NotFound
from layers.finish import after_publication
from layers.generalise import changed_copies, copy_before, copy_state, generalise
from layers.laps import lap
from layers.model import BoundingBox, Difference, Layer, Version
from layers.origins import following
from layers.parts import in_part, refuse_elsewhere, refuse_moved, refuse_outside_part
from layers.record import bounds_of, record
from layers.rows import standing_at
from layers.schema import ROWS_SCHEMA
from layers.stage import Staged, discard, drop_stage, stage, stage_table, sweep_stages
from layers.tables import ensure_indexes, past_table, rows_table
from layers.tile_fields import deciding_far_fields, deciding_fields
from layers.touched import changed_boxes, keep_touched, retold, touched_squares

_log = logging.getLogger(__name__)

__all__ = [
    "Batch",
    "Staged",
    "compare",
    "discard",
    "publish",
    "restore",
    "roll_back",
    "stage",
    "sweep_stages",
    "withdraw",
]


async def compare(
    db: Database, staged: Staged, *, partial: bool = False, within: Sequence[str] = ()
) -> Difference:
    """What publishing `staged` would do now. `partial`: rows it does not mention stay.

    `within`: codes of the parts it replaces (`layers.parts`); all else stays. Raises `BadData` if a row
    lies outside them. A stage with fields that the layer does not have yet changes every row it brings
    again.
    """
    async with db.begin(timeout_ms=0) as connection:
        layer = await read_layer(connection, staged.layer.id)
        refuse_registered(layer)
        delivery = await _delivery(connection, layer, staged, may_add_fields=True)
        changes = await _changes(connection, layer, staged, delivery, partial=partial, within=within)
        return await measure(connection, changes, delivery, rows_table(layer))


async def publish(
    db: Database,
    staged: Staged | Sequence[Staged],
    *,
    by: str,
    note: str = "",
    report: Mapping[str, Any] | None = None,
    partial: bool = False,
    within: Sequence[str] = (),
) -> list[Version]:
    """Makes the staged rows the next version of their layers, all in one transaction.

    A layer whose delivery changes nothing gets no version. `report` is kept with each version; its
    member `origins` says how the coordinates came to be (`layers.origins`). `partial` and `within` as in
    `compare`. The stages are gone afterwards. Raises `Conflict` if a stage no longer fits its layer.
    """
    deliveries = [staged] if isinstance(staged, Staged) else list(staged)
    async with db.begin(timeout_ms=0) as connection:
        made = await publish_in(
            connection,
            [(delivery, report or {}) for delivery in deliveries],
            by=by,
            note=note,
            partial=partial,
            within=within,
        )
    with lap("after publication"):
        await after_publication(db, made)
    return made


async def publish_in(
    connection: AsyncConnection,
    deliveries: Sequence[tuple[Staged, Mapping[str, Any]]],
    *,
    by: str,
    note: str = "",
    partial: bool = False,
    within: Sequence[str] = (),
    seen: Mapping[str, int] | None = None,
    districts: Sequence[str] = (),
) -> list[Version]:
    """As `publish`, in the transaction of `connection`; each delivery with its report.

    `seen`: the version of each layer that the publisher compared with; `Conflict` if one has moved on, or,
    where only parts are replaced (`within`), if those have.
    `districts`: codes the publisher is limited to; `NotAllowed` if a row outside them would change.
    """
    made = []
    # In the order of ids, so that two publishers of the same layers cannot lock each other out.
    for delivery, report in sorted(deliveries, key=lambda d: d[0].layer.id):
        layer = await lock_layer(connection, delivery.layer.id)
        refuse_registered(layer)
        before = layer.version if seen is None else seen.get(layer.id)
        if before != layer.version:
            if before is None or not within:
                raise moved_on(layer, before)
            await refuse_moved(connection, layer, within, before)
        source = await _delivery(connection, layer, delivery)
        told = {**report, "within": list(within)} if within else dict(report)
        if not within and await can_become_rows(connection, layer, source):
            version = await _first(
                connection, layer, source, delivery, by=by, note=note, report=told, districts=districts
            )
        else:
            with lap("compare"):
                changes = await _changes(connection, layer, delivery, source, partial=partial, within=within)
            version = await _apply(
                connection, layer, source, changes, by=by, note=note, report=told, districts=districts
            )
        await drop_stage(connection, delivery.table)
        if version is not None:
            made.append(version)
    return made


def moved_on(layer: Layer, seen: int | None) -> Conflict:
    """The refusal of a publication that was compared with another version than stands."""
    return Conflict(
        f"图层“{layer.title.zh}”现为版本 {layer.version}，比较时为版本 {seen}；请重新比较后再发布",
        f"layer {layer.id!r} is at version {layer.version} now, it was compared at {seen}; compare again",
        layer=layer.id,
        version=layer.version,
        seen=seen,
    )


async def roll_back(
    db: Database, layer_id: str, number: int, *, by: str, districts: Sequence[str] = ()
) -> Version:
    """Publishes the state of version `number` as a new version.

    Raises `NotFound` if there is no such version, `Conflict` if the layer stands as it did then,
    `NotAllowed` if a row outside `districts`, to which the publisher is limited, would change.
    """
    async with db.begin(timeout_ms=0) as connection:
        layer = await lock_layer(connection, layer_id)
        refuse_registered(layer)
        if not layer.has_rows:
            raise Conflict(
                f"图层“{layer.title.zh}”是栅格图层，各期并存，无需回退；取图时用 version 或 datetime 指定",
                f"layer {layer_id!r} is a raster: all its versions stand side by side and there is nothing to"
                " roll back; name one by `version` or `datetime`",
                layer=layer_id,
            )
        if not 1 <= number <= layer.version:
            raise NotFound(
                f"图层“{layer.title.zh}”没有版本 {number}",
                f"layer {layer_id!r} has no version {number}",
                layer=layer_id,
                version=number,
            )
        source = await _restored(connection, layer, number)
        origins = {layer_id: await _origins_at(connection, layer_id, number)}
        report = {"rolled_back_to": number, "origins": origins}
        changes = await find_changes(
            connection, source, rows_table(layer), partial=False, name=temporary_name()
        )
        version = await _apply(
            connection,
            layer,
            source,
            changes,
            by=by,
            note=f"回退到版本 {number} / rolled back to version {number}",
            report=report,
            districts=districts,
        )
        if version is None:
            raise Conflict(
                f"图层“{layer.title.zh}”的内容与版本 {number} 相同，无需回退",
                f"layer {layer_id!r} stands as in version {number} already",
                layer=layer_id,
                version=number,
            )
    await after_publication(db, [version])
    return version


async def withdraw(db: Database, layer_id: str, *, by: str) -> None:
    """Hides the layer from everyone but publishers and admins; its rows stay. `Conflict` if it is not out."""
    await _change_status(db, layer_id, "published", "withdrawn", by)


async def restore(db: Database, layer_id: str, *, by: str) -> None:
    """Shows a withdrawn layer again. Raises `Conflict` if it is not withdrawn."""
    await _change_status(db, layer_id, "withdrawn", "published", by)


async def _change_status(db: Database, layer_id: str, before: str, after: str, by: str) -> None:
    async with db.begin() as connection:
        layer = await lock_layer(connection, layer_id)
        if layer.status != before:
            raise Conflict(
                f"图层“{layer.title.zh}”当前状态为 {layer.status}，不能改为 {after}",
                f"layer {layer_id!r} is {layer.status}, it cannot become {after}",
                layer=layer_id,
                status=layer.status,
            )
        await set_status(connection, layer, after)
    _log.info("layer %s is %s now, by %s", layer_id, after, by)


async def _delivery(
    connection: AsyncConnection, layer: Layer, staged: Staged, *, may_add_fields: bool = False
) -> Table:
    """The stage as a table; `Conflict` if it is gone, incomplete, or older than the description."""
    source = stage_table(staged.layer, staged.table, as_rows=staged.as_rows)
    exists = await connection.scalar(
        select(func.to_regclass(f'{schema.STAGE_SCHEMA}."{staged.table}"').is_not(None))
    )
    # An unlogged table is empty after the server crashed: publishing it would remove every row.
    if not exists or await connection.scalar(select(func.count()).select_from(source)) != staged.count:
        raise Conflict(
            f"图层 {layer.id} 的暂存数据已不存在，请重新导入",
            f"the staged rows of layer {layer.id!r} are gone; import them again",
            layer=layer.id,
        )
    standing, brought = ([(f.name, f.type) for f in la.fields] for la in (layer, staged.layer))
    if standing != brought and not (may_add_fields and set(standing) <= set(brought)):
        raise Conflict(
            f"图层 {layer.id} 的字段在导入期间已改变，请重新导入",
            f"the fields of layer {layer.id!r} changed meanwhile; import again",
            layer=layer.id,
        )
    return source


async def _restored(connection: AsyncConnection, layer: Layer, number: int) -> Table:
    """A temporary stage with the rows of version `number`, their feature ids kept."""
    source = stage_table(layer, temporary_name(), temporary=True)
    await connection.execute(CreateTable(source))
    names = ["_fid", "_key", "_hash", "_geom", *layer.field_names]
    then = standing_at(layer, number, names).subquery("then")
    ordinal = func.row_number().over(order_by=then.c._fid)
    await connection.execute(
        insert(source).from_select(["_row", *names], select(ordinal, *(then.c[n] for n in names)))
    )
    await connection.exec_driver_sql(f"ANALYZE {source.name}")
    return source


async def _origins_at(connection: AsyncConnection, layer_id: str, number: int) -> list[Any]:
    table = schema.layer_version
    found = await connection.scalar(
        select(table.c.origins).where(table.c.layer_id == layer_id, table.c.number == number)
    )
    return list(found or [])


async def _changes(
    connection: AsyncConnection,
    layer: Layer,
    staged: Staged,
    source: Table,
    *,
    partial: bool,
    within: Sequence[str],
) -> Table:
    """What `source` would change in the layer as it stands; raises `BadData` for rows outside `within`."""
    rows = rows_table(layer)
    part = None
    if within:
        await refuse_outside_part(connection, layer, source, within)
        await refuse_elsewhere(connection, layer, source, within, staged.removes)
        part = in_part(layer, rows, within)
    return await find_changes(
        connection,
        source,
        rows,
        partial=partial,
        part=part,
        removes=staged.removes,
        name=temporary_name(),
    )


async def _apply(
    connection: AsyncConnection,
    layer: Layer,
    source: Table,
    changes: Table,
    *,
    by: str,
    note: str,
    report: Mapping[str, Any],
    districts: Sequence[str] = (),
) -> Version | None:
    """Makes the `changes` that `source` brings the next version of the locked `layer`; None without any."""
    rows = rows_table(layer)
    if districts:
        await _refuse_outside(connection, layer, source, changes, districts)
    with lap("compare"):
        difference = await measure(connection, changes, source, rows)
    if difference.is_empty:
        return None
    number = layer.version + 1
    spots = await changed_boxes(connection, changes, source, rows, deciding_fields(layer))
    carried = await retold(connection, changes, source, rows, deciding_far_fields(layer))
    before = await copy_before(connection, layer)
    with lap("apply"):
        await _move(connection, layer, source, changes, number)
    with lap("other indexes"):
        await ensure_indexes(connection, layer)
    with lap("statistics"):
        for table in (rows, past_table(layer)):
            await connection.execute(text(f'ANALYZE {ROWS_SCHEMA}."{table.name}"'))
    with lap("lighter copy"):
        copy = await generalise(connection, layer)
        copies = await changed_copies(connection, layer, before, copy, carried)
    delivered = difference.changed + difference.removed + difference.unchanged
    origins = following(layer.origins, report, layer.id, joins=layer.feature_count > delivered)
    state = {
        "bounds": await bounds_of(connection, layer),
        **copy_state(copy),
        "unfinished": [],
    }
    version = await record(
        connection, layer, difference, number, state, origins=origins, by=by, note=note, report=report
    )
    await keep_touched(connection, layer.id, number, touched_squares(spots, copies, layer.drawn_reach_m))
    return version


async def _first(
    connection: AsyncConnection,
    layer: Layer,
    source: Table,
    staged: Staged,
    *,
    by: str,
    note: str,
    report: Mapping[str, Any],
    districts: Sequence[str],
) -> Version | None:
    """Makes `source`, all of `staged`, the first version of the locked `layer`, without moving a row."""
    if districts:
        await _refuse_outside(connection, layer, source, None, districts)
    count = staged.count
    if not count:
        return None
    await become_rows(connection, layer, source, count)
    later = count >= finish.LATER_FROM
    await ensure_indexes(connection, layer, only_places=later)
    copy = None
    if not later:
        await connection.execute(text(f'ANALYZE {ROWS_SCHEMA}."{layer.id}"'))
        copy = await generalise(connection, layer)
    bounds = staged.bounds
    difference = Difference(count, 0, 0, 0, () if bounds is None else (BoundingBox(*bounds),))
    state = {
        "bounds": bounds and list(bounds),
        **copy_state(copy),
        "unfinished": list(finish.ALL) if later else [],
    }
    origins = following(layer.origins, report, layer.id, joins=False)
    return await record(
        connection, layer, difference, 1, state, origins=origins, by=by, note=note, report=report
    )


async def _refuse_outside(
    connection: AsyncConnection,
    layer: Layer,
    source: Table,
    changes: Table | None,
    districts: Sequence[str],
) -> None:
    """Raises `NotAllowed` if a change concerns a row that is, or would be, outside `districts`.

    `changes` None: every row of `source` is added.
    """
    assert layer.district_field is not None, "access.require_change lets nobody limited come so far without"
    rows = rows_table(layer)
    before, after = rows.c[layer.district_field], source.c[layer.district_field]

    def outside(column: ColumnElement[Any]) -> ColumnElement[bool]:
        return not_(func.coalesce(or_(*(column.startswith(d, autoescape=True) for d in districts)), False))

    if changes is None:
        counted = select(func.count()).select_from(source).where(outside(after))
    else:
        gone = changes.c._fid.is_not(None) & outside(before)
        come = changes.c._row.is_not(None) & outside(after)
        pairs = changes.outerjoin(rows, rows.c._fid == changes.c._fid).outerjoin(
            source, source.c._row == changes.c._row
        )
        counted = select(func.count()).select_from(pairs).where(or_(gone, come))
    count = await connection.scalar(counted)
    if count:
        raise NotAllowed(
            f"图层“{layer.title.zh}”有 {count} 处变化在您的辖区（{'、'.join(districts)}）之外",
            f"layer {layer.id!r}: {count} changes are outside your districts ({', '.join(districts)})",
            layer=layer.id,
            count=count,
            districts=list(districts),
        )


async def _move(
    connection: AsyncConnection, layer: Layer, source: Table, changes: Table, number: int
) -> None:
    """Old rows to the past, removed rows out, changed rows over (their `_fid` stays), added rows in."""
    rows, past = rows_table(layer), past_table(layer)
    content = ["_hash", "_geom", *layer.field_names]
    ending = ["_fid", "_key", "_from", *content]
    await connection.execute(
        insert(past).from_select(
            [*ending, "_to"],
            select(*(rows.c[n] for n in ending), literal(number)).join(
                changes, changes.c._fid == rows.c._fid
            ),
        )
    )
    await connection.execute(delete(rows).where(rows.c._fid == changes.c._fid, changes.c.kind == "removed"))
    await connection.execute(
        update(rows)
        .values({**{n: source.c[n] for n in content}, "_from": number})
        .where(rows.c._fid == changes.c._fid, changes.c.kind == "changed", changes.c._row == source.c._row)
    )
    fresh = func.nextval(f'{ROWS_SCHEMA}."{rows.name}__fid_seq"')
    # A key that was removed and comes back is the same thing again, under the number it had.
    former = select(past.c._fid).where(past.c._key == source.c._key).order_by(past.c._to.desc()).limit(1)
    own = (source.c._fid,) if "_fid" in source.c else ()
    known = (*own, former.scalar_subquery()) if layer.version > 0 else ()
    new_id = func.coalesce(*known, fresh) if known else fresh
    numbered = (
        select(new_id.label("_fid"), source.c._key, *(source.c[n] for n in content))
        .join(changes, changes.c._row == source.c._row)
        .where(changes.c.kind == "added")
        .order_by(source.c._row)
        .subquery("numbered")
    )
    await connection.execute(
        insert(rows).from_select(
            ["_fid", "_key", "_from", *content],
            select(numbered.c._fid, numbered.c._key, literal(number), *(numbered.c[n] for n in content))
            # Neighbours on the map become neighbours on disk: PostGIS sorts geometry along a Hilbert curve.
            # A tile of 9,000 points is read 1.8 times as fast as with rows in the order of arrival.
            .order_by(numbered.c._geom),
        )
    )


def temporary_name() -> str:
    """A name for a temporary table; several may live in one transaction."""
    return f"onemap_{secrets.token_hex(6)}"
