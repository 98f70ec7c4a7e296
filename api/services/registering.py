"""From a look at a service to a layer of ours: what is chosen, what a person says of it, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from api.services.look import Asked, look, read_address
from api.services.offers import Look, Offer, mercator_part
from api.services.origin import OriginClient
from api.services.settling import settled
from layers.errors import BadData, BadRequest, NotFound
from layers.model import AccessLevel, BoundingBox, Layer, ServiceSource, Text
from layers.services import Secret

HEADERS_NOT_FOR_SECRETS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "cookie", "te", "upgrade", "expect"}
)


@dataclass(frozen=True)
class ServiceRegistration:
    """Which layer of which service becomes which layer of ours. What is None is taken from the service.

    `url` as a person has it, tokens and all; `kind` one of `api.services.look.ASKED`; `layer` the name the
    other system gives it, None where it offers one only.
    """

    url: str
    id: str
    kind: str | None = None
    layer: str | None = None
    style: str | None = None
    format: str | None = None
    parts: tuple[str, ...] = ()
    title: Text | None = None
    theme: str = "other"
    owner: str = ""
    access: AccessLevel = "login"
    description: Text | None = None
    bounds: BoundingBox | None = None
    min_zoom: int | None = None
    max_zoom: int | None = None
    attribution: str | None = None
    secrets: tuple[Secret, ...] = ()


async def find_layer(client: OriginClient, wanted: ServiceRegistration) -> tuple[Layer, Asked, Look]:
    """The layer that registering would make, the address without secrets, and the look it comes from.

    Raises `BadRequest` for what is not offered or cannot be shown, and as `api.services.look.look`.
    """
    asked = address_of(wanted.url, wanted.secrets)
    seen = await look(client, asked, wanted.kind)
    offer = chosen(seen, wanted.layer)
    if offer.source is None:
        problem = offer.problem or Text("无法显示", "it cannot be shown")
        raise BadData(
            f"图层“{offer.title}”不能登记：{problem.zh}",
            f"layer {offer.name!r} cannot be registered: {problem.en}",
            field="layer",
            value=offer.name,
        )
    bounds = wanted.bounds or offer.bounds
    source = await settled(client, _said_of(offer, offer.source, wanted), bounds, asked.secrets)
    title = wanted.title or Text(offer.title, offer.title)
    layer = Layer(
        id=wanted.id,
        title=title,
        theme=wanted.theme,
        geometry_type="Geometry",
        fields=(),
        owner=wanted.owner,
        access=wanted.access,
        description=wanted.description or Text(offer.abstract, offer.abstract),
        min_zoom=offer.min_zoom if wanted.min_zoom is None else wanted.min_zoom,
        max_zoom=offer.max_zoom if wanted.max_zoom is None else wanted.max_zoom,
        kind="service",
        service=source,
        bounds=None if bounds is None else mercator_part(bounds),
    )
    return layer, asked, seen


def address_of(url: str, secrets: Sequence[Secret]) -> Asked:
    """As `read_address`; raises `BadRequest` for a secret that cannot be sent."""
    for one in secrets:
        sayable = one.name.isascii() and one.value.isascii() and (one.name + one.value).isprintable()
        named = bool(one.name) and (one.place != "header" or one.name.replace("-", "").isalnum())
        if not sayable or not named or one.name.lower() in HEADERS_NOT_FOR_SECRETS or ":" in one.name:
            raise BadRequest(
                "令牌的名称或值不能发送",
                "the name or value of a secret cannot be sent",
                field="secrets",
                value=one.name,
                expected="ASCII; a header other than Host, Cookie and the like",
            )
    return read_address(url, secrets)


def chosen(seen: Look, name: str | None) -> Offer:
    """The offer called `name`, or the only one. Raises `BadRequest`, `NotFound`."""
    if name is None:
        if len(seen.offers) == 1:
            return seen.offers[0]
        names = [offer.name for offer in seen.offers[:20]]
        raise BadRequest(
            f"该服务有 {len(seen.offers)} 个图层，请指定其中之一",
            f"the service offers {len(seen.offers)} layers: say which",
            field="layer",
            value="",
            expected=", ".join(names) or "a service with layers",
        )
    found = next((offer for offer in seen.offers if offer.name == name), None)
    if found is None:
        raise NotFound(
            f"该服务没有图层“{name[:100]}”",
            f"the service has no layer {name[:100]!r}",
            field="layer",
            value=name[:200],
            expected=", ".join(offer.name for offer in seen.offers[:20]),
        )
    return found


def _said_of(offer: Offer, source: ServiceSource, wanted: ServiceRegistration) -> ServiceSource:
    if wanted.style is not None:
        if wanted.style not in ("", *offer.styles):
            raise _not_offered("style", wanted.style, offer.styles)
        source = replace(source, style=wanted.style)
    if wanted.format is not None:
        if wanted.format not in offer.formats:
            raise _not_offered("format", wanted.format, offer.formats)
        source = replace(source, format=wanted.format)
    if wanted.parts:
        source = replace(source, parts=wanted.parts)
    if wanted.attribution is not None:
        source = replace(source, attribution=wanted.attribution)
    if source.kind == "mvt" and not source.parts:
        raise BadRequest(
            "请指定矢量瓦片内的图层名，或给出其 TileJSON 地址",
            "say the names of the layers within the vector tiles, or give the address of their TileJSON",
            field="parts",
            value="",
            expected="names such as roads, buildings",
        )
    return source


def _not_offered(field: str, value: str, offered: Sequence[str]) -> BadRequest:
    return BadRequest(
        f"该图层没有 {field}“{value[:100]}”",
        f"the layer offers no {field} {value[:100]!r}",
        field=field,
        value=value,
        expected=", ".join(offered[:20]) or "nothing",
    )
