"""A look at an address somebody gave: which kind of service it is, by what evidence, and what it offers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import orjson

from api.errors import OriginFailed, OriginTimedOut
from api.services import arcgis, ogc_api, supermap, templates, wfs, wms, wmts
from api.services.offers import Look, query_of, without_query
from api.services.origin import MAX_CAPABILITIES_BYTES, OriginAnswer, OriginClient
from api.services.xml import Element, read_xml
from layers.errors import BadRequest
from layers.model import ServiceKind, Text
from layers.services import Secret

ASKED = ("wms", "wmts", "wfs", "ogc", "arcgis", "supermap", "xyz", "mvt", "tilejson")
"""What a person may say a service is."""
SECRET_NAMES = frozenset(
    {
        "tk",
        "token",
        "key",
        "ak",
        "sk",
        "apikey",
        "api_key",
        "api-key",
        "access_token",
        "accesstoken",
        "appkey",
    }
    | {
        "password",
        "pwd",
        "passwd",
        "secret",
        "auth",
        "sign",
        "signature",
        "sig",
        "subscription-key",
        "ticket",
    }
)
"""Query parameters that are taken for secrets wherever they stand in an address."""


ACCEPT = "application/json, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
"""An OGC API answers people with a page unless JSON is asked for."""


class Asked(NamedTuple):
    """An address without what is secret in it, and that."""

    url: str
    secrets: tuple[Secret, ...]


def read_address(url: str, secrets: Sequence[Secret] = ()) -> Asked:
    """The address somebody gave: Chinese letters quoted, tokens and passwords taken out of it."""
    text = quote(url.strip(), safe="%/:=&?~#+!$,;'@()*[]{}")
    found = [Secret("query", name, value) for name, value in query_of(text) if name.lower() in SECRET_NAMES]
    text = without_query(text, *SECRET_NAMES)
    try:
        parts = urlsplit(text)
        if parts.username is not None:
            found.append(Secret("basic", unquote(parts.username), unquote(parts.password or "")))
            text = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        pass  # said by whoever judges the address
    said = {(one.place, one.name.lower()): one for one in (*found, *secrets)}
    return Asked(text, tuple(said.values()))


async def look(client: OriginClient, asked: Asked, kind: str | None = None) -> Look:
    """What the address offers. `kind` is one of `ASKED`; None: found out.

    Raises `BadRequest` (a kind that is none, an address that is not asked), `OriginFailed` where there is no
    service that can be used.
    """
    if kind is not None and kind not in ASKED:
        raise BadRequest(
            "没有这种服务", "there is no such kind", field="kind", value=kind, expected=", ".join(ASKED)
        )
    url = asked.url
    if templates.is_template(url):
        return templates.read_template(url, "mvt" if kind == "mvt" else "xyz" if kind == "xyz" else None)
    eyes = _Eyes(client, asked)
    chosen = kind or _guess(url)
    if chosen is not None:
        return await eyes.ways[chosen](url)
    return await eyes.find_out(url)


def _guess(url: str) -> str | None:
    """The kind that an address shows by its form; None if it shows none."""
    if supermap.is_supermap(url):
        return "supermap"
    if arcgis.server_of(url) is not None:
        return "arcgis"
    said = {name.lower(): value.lower() for name, value in query_of(url)}
    if said.get("service") in ("wms", "wmts", "wfs"):
        return said["service"]
    last = urlsplit(url).path.rstrip("/").lower().rpartition("/")[2]
    return last if last in ("wms", "wmts", "wfs") else None


class _Eyes:
    """One look: what was asked, and how each kind is read."""

    def __init__(self, client: OriginClient, asked: Asked) -> None:
        self._client, self._asked = client, asked
        self.ways: Mapping[str, Callable[[str], Awaitable[Look]]] = {
            "wms": self._wms,
            "wmts": self._wmts,
            "wfs": self._wfs,
            "ogc": self._ogc,
            "arcgis": self._arcgis,
            "supermap": self._supermap,
            "tilejson": self._tilejson,
            "mvt": self._tilejson,
            "xyz": self._tilejson,
        }

    async def find_out(self, url: str) -> Look:
        """By what the address itself answers, then by asking as each standard does."""
        answer = await self._ask(url)
        if answer.status == 200:
            told = _json(answer.body)
            if isinstance(told, dict) and "tiles" in told:
                return templates.read_tilejson(told, url)
            if ogc_api.is_ogc_api(told):
                return await self._collections(told, url)
            root = _xml(answer.body)
            if root is not None and root.name == "WFS_Capabilities":
                return wfs.read_wfs(root, url)
            if root is not None and root.name in wms.ROOTS:
                return wms.read_wms(root, url)
            if root is not None and root.name == "Capabilities" and root.first("Contents") is not None:
                return wmts.read_wmts(root, url)
        for way in (self._wms, self._wmts, self._wfs):
            try:
                return await way(url)
            except OriginTimedOut:
                raise
            except OriginFailed:
                continue
        raise OriginFailed(
            "看不出这是哪种服务，请指定类型，或检查地址",
            "it does not show which kind of service this is: say the kind, or look at the address",
            expected=", ".join(ASKED),
        )

    async def _wms(self, url: str) -> Look:
        newer = await self._xml(wms.capabilities_url(url))
        return wms.read_wms(newer, url)

    async def _wmts(self, url: str) -> Look:
        return wmts.read_wmts(await self._xml(wmts.capabilities_url(url)), url)

    async def _wfs(self, url: str) -> Look:
        return wfs.read_wfs(await self._xml(wfs.capabilities_url(url)), url)

    async def _ogc(self, url: str) -> Look:
        return await self._collections(await self._object(url), url)

    async def _collections(self, told: Mapping[str, Any], url: str) -> Look:
        listed = ogc_api.collections_url(told, url)
        if listed is None:
            return ogc_api.read_collections(told, url)
        return ogc_api.read_collections(await self._object(listed), listed)

    async def _arcgis(self, url: str) -> Look:
        return arcgis.read_arcgis(await self._object(arcgis.description_url(url)), url)

    async def _supermap(self, url: str) -> Look:
        told = _json((await self._good(supermap.description_url(url))).body)
        return supermap.read_supermap(told, url)

    async def _tilejson(self, url: str) -> Look:
        return templates.read_tilejson(await self._object(url), url)

    async def _object(self, url: str) -> Mapping[str, Any]:
        told = _json((await self._good(url)).body)
        if not isinstance(told, dict):
            raise OriginFailed("对方的应答不是 JSON", "the other system does not answer with JSON")
        return told

    async def _xml(self, url: str) -> Element:
        return read_xml((await self._good(url)).body)

    async def _good(self, url: str) -> OriginAnswer:
        answer = await self._ask(url)
        if answer.status != 200:
            raise refused_by_origin(answer.status)
        return answer

    async def _ask(self, url: str) -> OriginAnswer:
        return await self._client.ask(
            url, self._asked.secrets, accept=ACCEPT, most_bytes=MAX_CAPABILITIES_BYTES
        )


def refused_by_origin(status: int) -> OriginFailed:
    """What is said of an answer that is an error; nothing of its text."""
    if status in (401, 403):
        return OriginFailed(
            f"对方服务拒绝访问（{status}），请检查令牌或密码",
            f"the other system refuses ({status}): look at the token or password",
            origin_status=status,
        )
    return OriginFailed(f"对方服务应答 {status}", f"the other system answers {status}", origin_status=status)


def _json(body: bytes) -> Any:
    """The value, or None for what is no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _xml(body: bytes) -> Element | None:
    """The root, or None for what is no XML."""
    if not re.match(rb"\s*(\xef\xbb\xbf)?\s*<[?!A-Za-z]", body[:100]):
        return None
    try:
        return read_xml(body)
    except OriginFailed:
        return None


def kind_title(kind: ServiceKind) -> Text:
    """What people call a kind of service."""
    return _TITLES[kind]


_TITLES: Mapping[ServiceKind, Text] = {
    "wms": Text("WMS 地图", "WMS map"),
    "wmts": Text("WMTS 瓦片", "WMTS tiles"),
    "wfs": Text("WFS 要素", "WFS features"),
    "ogc_features": Text("OGC API 要素", "OGC API features"),
    "arcgis_map": Text("ArcGIS 动态地图", "ArcGIS map"),
    "arcgis_tiles": Text("ArcGIS 切片地图", "ArcGIS cached tiles"),
    "arcgis_image": Text("ArcGIS 影像", "ArcGIS images"),
    "arcgis_features": Text("ArcGIS 要素", "ArcGIS features"),
    "supermap": Text("SuperMap 地图", "SuperMap map"),
    "xyz": Text("XYZ 瓦片", "XYZ tiles"),
    "mvt": Text("矢量瓦片", "vector tiles"),
}
