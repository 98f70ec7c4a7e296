"""In which order of axes a WFS takes boxes: found out by asking, as servers differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from api.errors import OriginFailed
from api.services import wfs
from api.services.features import ACCEPT, first_place, first_url, read_page
from api.services.origin import OriginClient
from layers.model import BoundingBox, ServiceSource
from layers.services import Secret

WORLD = BoundingBox(-180.0, -90.0, 180.0, 90.0)
MARGIN_DEG = 1.0


async def settled(
    client: OriginClient, source: ServiceSource, bounds: BoundingBox | None, secrets: Sequence[Secret]
) -> ServiceSource:
    """The source in that way of asking which gives features where the layer is said to lie.

    Where none does, as in a layer without rows, the first that is answered. Raises `OriginFailed` where none
    is. A source of another kind stays as it is.
    """
    if source.kind != "wfs":
        return source
    answered: ServiceSource | None = None
    failed: OriginFailed | None = None
    for system, latitude_first in wfs.SYSTEMS:
        tried = replace(source, crs=system, is_latitude_first=latitude_first)
        box = bounds or WORLD
        url = first_url(tried, box, 1)
        try:
            answer = await client.ask(url, secrets, accept=ACCEPT)
            page = read_page(tried, answer.body, url, box, 1, 0)
        except OriginFailed as error:
            failed = error
            continue
        answered = answered or tried
        places = [place for one in page.features if (place := first_place(one["geometry"])) is not None]
        if any(_holds(box, *place) for place in places):
            return tried
    if answered is None:
        raise failed or OriginFailed("对方服务没有应答", "the other system does not answer")
    return answered


def _holds(box: BoundingBox, lon: float, lat: float) -> bool:
    west, south, east, north = box
    return west - MARGIN_DEG <= lon <= east + MARGIN_DEG and south - MARGIN_DEG <= lat <= north + MARGIN_DEG
