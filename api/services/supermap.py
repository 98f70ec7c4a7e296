"""SuperMap iServer REST maps: the list of maps, one map, and its squares by zoom, column and row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from api.errors import OriginFailed
from api.services.offers import Look, Offer, bounded, box_in, with_query
from layers.model import ServiceSource, Text

_ENDINGS = (".json", ".rjson", ".html", ".xml")
_WORDS = Text("地址含 /rest/maps，应答为 SuperMap iServer 的说明", "it answers at /rest/maps as iServer does")


def is_supermap(url: str) -> bool:
    """Whether the address is of an iServer's maps."""
    return "/rest/maps" in urlsplit(url).path.lower()


def description_url(url: str) -> str:
    """Where the map, or the list of maps, is described."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for ending in _ENDINGS:
        path = path.removesuffix(ending)
    pieces = path.split("/")
    at = next(n for n, piece in enumerate(pieces) if piece.lower() == "maps" and pieces[n - 1] == "rest")
    path = "/".join(pieces[: at + 2])  # …/rest/maps or …/rest/maps/<map>, not what is below
    return urlunsplit(parts._replace(path=f"{path}.json", query="", fragment=""))


def read_supermap(told: Any, url: str) -> Look:
    """What the list of maps, or one map, offers. Raises `OriginFailed`."""
    own = description_url(url).removesuffix(".json")
    if isinstance(told, list):
        offers = [_listed(one, own) for one in told if isinstance(one, dict) and one.get("name")]
        found, left_out = bounded(offers)
        return Look("supermap", _WORDS, "iServer", "", found, left_out)
    if not isinstance(told, dict) or "bounds" not in told:
        raise OriginFailed("这不是 iServer 地图的说明", "this is no description of a map of iServer")
    return Look("supermap", _WORDS, str(told.get("name") or ""), "", (_map(told, own),))


def _listed(told: Mapping[str, Any], root: str) -> Offer:
    name = str(told["name"])
    source = ServiceSource("supermap", f"{root}/{quote(name, safe='@')}", name, format="png")
    return Offer(name, name, source=source)


def _map(told: Mapping[str, Any], own: str) -> Offer:
    name = str(told.get("name") or own.rpartition("/")[2])
    system = told.get("prjCoordSys")
    code = system.get("epsgCode") if isinstance(system, dict) else None
    crs = f"EPSG:{code}" if isinstance(code, int) else ""
    sides = told["bounds"] if isinstance(told["bounds"], dict) else {}
    bounds = box_in(crs, *(sides.get(side) for side in ("left", "bottom", "right", "top")))
    source = ServiceSource("supermap", own, name, format="png")
    description = str(told.get("description") or "")[:500]
    return Offer(name, name, description, bounds, (crs,) if crs else (), source=source)


def square_url(source: ServiceSource, z: int, x: int, y: int) -> str:
    """The address of one square of the Web Mercator quad; iServer projects where the map is in another
    system."""
    said = {"transparent": "true", "width": "256", "height": "256", "prjCoordSys": '{"epsgCode":3857}'}
    return with_query(f"{source.url}/zxyTileImage/{z}/{x}/{y}.png", said)
