"""How a layer's coordinates came to be, as it travels with its versions: in reports, tables and answers.

A whole delivery replaces what is known of a layer's origin; a partial one, whose rows join others, adds to
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from layers.model import Origin, Text

MOST = 20
"""Origins one layer keeps, the newest; a layer that is delivered in parts names each way once."""


def origin_json(origin: Origin) -> dict[str, Any]:
    """An origin as JSON values."""
    return {
        "system": origin.system,
        "evidence": origin.evidence._asdict(),
        "is_assumed": origin.is_assumed,
        "transform": origin.transform._asdict(),
        "error_m": origin.error_m,
        "file": origin.file,
    }


def origin_of(told: Mapping[str, Any]) -> Origin:
    """The origin that `origin_json` told."""
    return Origin(
        system=told["system"],
        evidence=Text(told["evidence"]["zh"], told["evidence"]["en"]),
        is_assumed=told["is_assumed"],
        transform=Text(told["transform"]["zh"], told["transform"]["en"]),
        error_m=told["error_m"],
        file=told["file"],
    )


def origins_of(told: Iterable[Mapping[str, Any]]) -> tuple[Origin, ...]:
    """The origins in a column of the database."""
    return tuple(origin_of(one) for one in told)


def following(
    standing: Iterable[Origin], report: Mapping[str, Any], layer_id: str, *, joins: bool
) -> tuple[Origin, ...]:
    """The origins of the version that a delivery with `report` makes of a layer with the `standing` ones.

    `report["origins"]` holds those of its rows by layer; one that says nothing leaves what stands.
    `joins`: rows of the version before, which the delivery does not mention, stay among the new ones.
    """
    brought = report.get("origins", {}).get(layer_id)
    if brought is None:
        return tuple(standing)
    found = origins_of(brought)
    if not joins:
        return found[-MOST:]
    kept = [one for one in standing if all(not _same_way(one, other) for other in found)]
    return tuple([*kept, *found][-MOST:])


def _same_way(one: Origin, other: Origin) -> bool:
    return (one.system, one.transform, one.error_m) == (other.system, other.transform, other.error_m)
