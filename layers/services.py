"""Layers that come from the services of other systems: registered, changed, forgotten.

What is said of the service stands in the layer's description; a token or password stands in a table of its
own and is handed to nobody but who asks the other system.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.catalogue import lock_layer, read_layer
from layers.db import Database
from layers.description import check
from layers.errors import Conflict, NotFound
from layers.model import AccessLevel, BoundingBox, Layer, ServiceSource, Text
from layers.notices import LAYER_CHANNEL, notify
from layers.registered import layer_state, refuse_taken

SecretPlace = Literal["query", "header", "basic"]
_log = logging.getLogger(__name__)


class Secret(NamedTuple):
    """What must be said to the other system: a query parameter, a header, or a name with its password."""

    place: SecretPlace
    name: str
    value: str

    def __repr__(self) -> str:
        return f"Secret({self.place} {self.name!r})"


class ServiceState(NamedTuple):
    """Whether a service answered when it was last asked, and since when; `is_up` None: not asked yet."""

    is_up: bool | None
    since: datetime | None
    problem: Text | None


@dataclass(frozen=True)
class ServiceChange:
    """What of a registered service's layer becomes otherwise; None stays. `secrets` take the place of all."""

    title: Text | None = None
    theme: str | None = None
    owner: str | None = None
    access: AccessLevel | None = None
    description: Text | None = None
    min_zoom: int | None = None
    max_zoom: int | None = None
    attribution: str | None = None
    source: ServiceSource | None = None
    bounds: BoundingBox | None = None
    secrets: tuple[Secret, ...] | None = None


async def register_service(db: Database, layer: Layer, secrets: Sequence[Secret], *, by: str) -> Layer:
    """Makes `layer` (of kind `service`, with its bounds) seen by whom its access level lets.

    Raises `BadData` for an impossible description, `Conflict` if the id is taken.
    """
    check(layer)
    async with db.begin() as connection:
        await refuse_taken(connection, layer.id)
        state = {**layer_state(layer), "version": 1}
        await connection.execute(
            insert(schema.layer).values(id=layer.id, access=layer.access, status="published", **state)
        )
        await connection.execute(
            insert(schema.service).values(layer_id=layer.id, secrets=[list(one) for one in secrets])
        )
        await notify(connection, LAYER_CHANNEL, layer.id, 1)
        made = await read_layer(connection, layer.id)
    _log.info("layer %s is a service now, registered by %s", layer.id, by)
    return made


async def change_service(db: Database, layer_id: str, change: ServiceChange, *, by: str) -> Layer:
    """Says the layer anew; its version counts up, so that nothing drawn before is shown.

    Raises `NotFound`, `Conflict` for a layer that is no service, `BadData` for an impossible description.
    """
    async with db.begin() as connection:
        standing = await lock_layer(connection, layer_id)
        source = change.source or service_of(standing)
        if change.attribution is not None:
            source = replace(source, attribution=change.attribution)
        said = {
            name: value
            for name in ("title", "theme", "owner", "access", "description", "min_zoom", "max_zoom", "bounds")
            if (value := getattr(change, name)) is not None
        }
        layer = replace(standing, service=source, **said)
        check(layer)
        number = standing.version + 1
        await connection.execute(
            update(schema.layer)
            .where(schema.layer.c.id == layer_id)
            .values({**layer_state(layer), "access": layer.access, "version": number})
        )
        if change.secrets is not None:
            await connection.execute(
                update(schema.service)
                .where(schema.service.c.layer_id == layer_id)
                .values(secrets=[list(one) for one in change.secrets])
            )
        await notify(connection, LAYER_CHANNEL, layer_id, number)
        made = await read_layer(connection, layer_id)
    _log.info("layer %s was said anew by %s", layer_id, by)
    return made


async def forget_service(db: Database, layer_id: str, *, by: str) -> None:
    """Forgets the layer, its secrets and counts. Raises `NotFound`, `Conflict` if the layer is no service."""
    async with db.begin() as connection:
        layer = await lock_layer(connection, layer_id)
        service_of(layer)
        await connection.execute(delete(schema.layer).where(schema.layer.c.id == layer_id))
        await notify(connection, LAYER_CHANNEL, layer_id, layer.version + 1)
    _log.info("layer %s is no longer registered, by %s", layer_id, by)


async def secrets_of(db: Database, layer_id: str) -> tuple[Secret, ...]:
    """What must be said to the other system; for who asks it, and for nobody else."""
    async with db.connect() as connection:
        row = await _row(connection, layer_id)
    return tuple(Secret(*one) for one in row["secrets"])


async def states(db: Database) -> Mapping[str, ServiceState]:
    """How every service was found when it was last asked, by layer."""
    table = schema.service
    async with db.connect() as connection:
        found = await connection.execute(
            select(table.c.layer_id, table.c.is_up, table.c.since, table.c.problem)
        )
        return {row.layer_id: ServiceState(row.is_up, row.since, _problem(row.problem)) for row in found}


async def note_state(db: Database, layer_id: str, problem: Text | None) -> bool:
    """Writes that a service is up (`problem` None) or why it is not; True if it was otherwise before.

    `since` is kept while it stays up, or stays down.
    """
    table = schema.service
    is_up = problem is None
    told = None if problem is None else problem._asdict()
    async with db.begin() as connection:
        done = await connection.execute(
            update(table)
            .where(table.c.layer_id == layer_id)
            .where(or_(table.c.is_up.is_(None), table.c.is_up != is_up))
            .values(is_up=is_up, since=func.now(), problem=told)
        )
        return bool(done.rowcount)


def service_of(layer: Layer) -> ServiceSource:
    """The service behind a layer; raises `Conflict` for a layer of another kind."""
    if layer.service is None:
        raise Conflict(
            f"图层“{layer.title.zh}”不是登记的服务", f"layer {layer.id!r} is no service", layer=layer.id
        )
    return layer.service


def _problem(told: Any) -> Text | None:
    return None if told is None else Text(told["zh"], told["en"])


async def _row(connection: AsyncConnection, layer_id: str) -> Mapping[str, Any]:
    found = await connection.execute(select(schema.service).where(schema.service.c.layer_id == layer_id))
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound(f"没有服务“{layer_id}”", f"there is no service {layer_id!r}", layer=layer_id)
    return dict(row)
