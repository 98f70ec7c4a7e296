"""In which systems coordinates leave, and how a caller names one: by an address (OGC), or by a short name.

Part 2 of OGC API – Features (18-058r1) wants `crs` to be one of the addresses that a collection lists. Those
of EPSG are OGC's; the offsets of web maps and the city's own systems have addresses of this service, which
say what they are. The parameters of a city's own system never leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import quote

import numpy as np
import shapely
from fastapi import Depends, Query, Request

from api.context import Context, ContextDep, base_url
from api.documents import Document
from api.ogc_parameters import CRS84, CRS_LIST, epsg_of
from api.session import ViewerDep
from gis.errors import UnknownCrs
from gis.offsets import FRAMES
from gis.outgoing import Outgoing, epsg_system, frame_system, gauss_zones, local_outgoing
from layers.access import Viewer, may_have_local
from layers.errors import BadRequest
from layers.model import BoundingBox

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
OWN = "/ogc/crs/"
SHIFTED = ("gcj02", "bd09")
PLAIN = frame_system("cgcs2000")
"""Longitude and latitude as they are kept."""


class CrsDocument(Document):
    id: str
    name: str
    title: str
    axes: list[str]
    error_m: float | None
    """What the way to it from CGCS2000 is stated to be off by; None where nobody states it."""


def own_systems(context: Context, viewer: Viewer) -> dict[str, Outgoing]:
    """What this service adds to EPSG for `viewer`: the end of its address → system."""
    found = {frame: frame_system(frame) for frame in SHIFTED}
    for name, system in context.settings.local_systems.items():
        if may_have_local(viewer, is_secret=system.is_secret):
            found[f"local/{name}"] = local_outgoing(system)
    return found


def offered(root: str, context: Context, viewer: Viewer, bounds: BoundingBox | None) -> dict[str, Outgoing]:
    """Address → system, in the order a collection lists them: OGC's, the zones it lies in, our own."""
    codes = [epsg_of(address) for address in CRS_LIST]
    found = {a: PLAIN if c is None else epsg_system(c) for a, c in zip(CRS_LIST, codes, strict=True)}
    if bounds is not None:
        found |= {f"{EPSG}{code}": epsg_system(code) for code in gauss_zones(bounds.west, bounds.east)}
    own = own_systems(context, viewer)
    return found | {f"{root}{OWN}{quote(end, safe='/')}": system for end, system in own.items()}


def chosen(text: str, field: str, systems: Mapping[str, Outgoing]) -> tuple[str, Outgoing]:
    """The address that `text` is, and its system; raises `BadRequest` (Part 2, fc-crs-valid-value)."""
    cleaned = text.strip("[]<>")
    if cleaned in systems:
        return cleaned, systems[cleaned]
    raise BadRequest(
        f"不支持的坐标系“{text[:100]}”",
        f"coordinate reference system {text[:100]!r} is not offered",
        field=field,
        value=text,
        expected=", ".join(systems),
    )


def named(text: str, context: Context, viewer: Viewer, field: str = "out_crs") -> Outgoing:
    """The system of a short name: `cgcs2000`, `wgs84`, `gcj02`, `bd09`, `EPSG:n`, `local:NAME`.

    Raises `BadRequest`, also for a local system that the viewer may not have coordinates in.
    """
    asked = text.strip()
    short = asked.lower()
    for frame in FRAMES:
        if short == frame:
            return frame_system(frame)
    own = own_systems(context, viewer)
    if short.startswith("local:") and (end := f"local/{asked[6:]}") in own:
        return own[end]
    if short.startswith("epsg:") and short[5:].isascii() and short[5:].isdecimal() and len(short) <= 11:
        try:
            return epsg_system(int(short[5:]))
        except UnknownCrs:
            pass
    expected = [*FRAMES, "EPSG:n", *(f"local:{end[6:]}" for end in own if end.startswith("local/"))]
    raise BadRequest(
        f"不支持的坐标系“{text[:100]}”",
        f"coordinate reference system {text[:100]!r} is not offered",
        field=field,
        value=text,
        expected=", ".join(expected),
    )


def said_of(address: str, system: Outgoing) -> dict[str, str]:
    """Headers of an answer in `system`: what it is, and what it is off by where that is stated."""
    headers = {"Content-Crs": f"<{address}>"}
    if system.error_m is not None and system is not PLAIN:
        headers["X-OneMap-Crs-Error-M"] = f"{system.error_m:g}"
    return headers


def address_of(root: str, system: Outgoing) -> str:
    """The address of a system that was named in short."""
    if system.epsg is not None:
        return f"{EPSG}{system.epsg}"
    if system.name in SHIFTED:
        return f"{root}{OWN}{system.name}"
    if system.name.startswith("local:"):
        return f"{root}{OWN}local/{quote(system.name[6:], safe='')}"
    return CRS84


def texts_in(geometries: Sequence[str | None], system: Outgoing, *, own_order: bool) -> list[str | None]:
    """GeoJSON texts in CGCS2000 degrees, longitude first, as texts in `system`; None stays None.

    `own_order`: axes in the order the system itself has them (Part 2 §6.3), not easting first.
    """
    if system is PLAIN:
        return list(geometries)
    shapes = shapely.from_geojson(np.array(geometries, dtype=object))
    moved = system.moved(shapes, own_order=own_order)
    return [None if text is None else str(text) for text in shapely.to_geojson(moved)]


async def _asked(
    request: Request,
    context: ContextDep,
    viewer: ViewerDep,
    out_crs: Annotated[
        str,
        Query(
            max_length=200,
            description="返回坐标的坐标系 System of the answer's coordinates, easting first:"
            " cgcs2000, wgs84, gcj02, bd09, EPSG:n, local:NAME",
        ),
    ] = "cgcs2000",
) -> tuple[str, Outgoing]:
    """The system an answer shall be in, and its address."""
    system = named(out_crs, context, viewer)
    return address_of(base_url(request), system), system


AnswerIn = Annotated[tuple[str, Outgoing], Depends(_asked)]
