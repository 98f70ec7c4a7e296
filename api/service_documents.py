"""What answers about services look like: models of the OpenAPI document beside `api.documents`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.documents import Document, LayerDocument, TextDocument
from layers.model import AccessLevel, ServiceForm, ServiceKind

Box = tuple[float, float, float, float]
_Short = Annotated[str, Field(max_length=200)]
_Secret = Annotated[str, Field(max_length=2000)]


class SecretBody(BaseModel):
    """A token or password that the other system wants. It is never said back."""

    model_config = ConfigDict(extra="forbid", title="ServiceSecret", hide_input_in_errors=True)

    place: Literal["query", "header", "basic"]
    name: Annotated[_Short, Field(description="参数名、请求头名或用户名 Parameter, header or user name")]
    value: Annotated[_Secret, Field(description="令牌或密码 Token or password")]


_Secrets = Annotated[list[SecretBody], Field(max_length=10)]
_Zoom = Annotated[int, Field(ge=0, le=22)]


class LookBody(BaseModel):
    """An address as a person has it."""

    model_config = ConfigDict(extra="forbid", title="ServiceLook")

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    kind: Annotated[_Short | None, Field(description="wms、wmts、arcgis、supermap、xyz、mvt……")] = None
    secrets: _Secrets = []


class NewServiceBody(LookBody):
    """A layer of another system's service, and the layer of ours it becomes."""

    model_config = ConfigDict(extra="forbid", title="NewService")

    id: Annotated[str, Field(max_length=48, description="图层标识 Layer id")]
    layer: Annotated[str | None, Field(max_length=500, description="对方的图层名 Its name there")] = None
    style: _Short | None = None
    format: _Short | None = None
    parts: Annotated[list[_Short], Field(max_length=200, description="矢量瓦片内的图层 In MVT")] = []
    title: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    title_en: Annotated[str | None, Field(max_length=200)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    theme: Annotated[str, Field(max_length=48)] = "other"
    owner: Annotated[str, Field(max_length=48)] = ""
    access: AccessLevel = "login"
    bounds: Annotated[Box | None, Field(description="西,南,东,北 west, south, east, north")] = None
    min_zoom: _Zoom | None = None
    max_zoom: _Zoom | None = None
    attribution: _Short | None = None


class ServiceChangeBody(BaseModel):
    """What becomes otherwise; what is left out stays. `secrets` take the place of all that were kept."""

    model_config = ConfigDict(extra="forbid", title="ServiceChange")

    title: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    title_en: Annotated[str | None, Field(max_length=200)] = None
    description: Annotated[str | None, Field(max_length=2000)] = None
    theme: Annotated[str | None, Field(max_length=48)] = None
    owner: Annotated[str | None, Field(max_length=48)] = None
    access: AccessLevel | None = None
    min_zoom: _Zoom | None = None
    max_zoom: _Zoom | None = None
    attribution: _Short | None = None
    secrets: _Secrets | None = None


class OfferDocument(Document):
    name: str
    """What the other system calls the layer: `layer` when it is registered."""
    title: str
    abstract: str
    form: ServiceForm | None
    """None: it cannot be registered, and `problem` says why."""
    kind: ServiceKind | None
    bounds: Box | None
    crs: list[str]
    formats: list[str]
    styles: list[str]
    min_zoom: int
    max_zoom: int
    parts: list[str]
    """Layers within its vector tiles, as far as they are known."""
    problem: TextDocument | None


class LookDocument(Document):
    kind: ServiceKind
    kind_title: TextDocument
    evidence: TextDocument
    title: str
    protocol: str
    url: str
    """The address that was asked, without secrets."""
    secrets: list[str]
    """Names of the parameters, headers or users that were taken for secrets."""
    layers: list[OfferDocument]
    left_out: int


class RemoteServiceDocument(Document):
    id: str
    title: TextDocument
    kind: ServiceKind
    kind_title: TextDocument
    form: ServiceForm
    is_up: bool | None
    """None: it was not asked yet."""
    since: datetime | None
    problem: TextDocument | None
    attribution: str
    tiles: str | None
    """Address of its squares, `{z}/{x}/{y}`: pictures, or vector tiles."""
    items: str | None
    legend: str | None
    version: int
    url: str | None
    """Where the other system is; for admins."""
    name: str | None
    secrets: list[str] | None


class ServicesDocument(Document):
    services: list[RemoteServiceDocument]


class MadeServiceDocument(Document):
    layer: LayerDocument
    service: RemoteServiceDocument


class ServiceCheckDocument(Document):
    is_ok: bool
    problem: TextDocument | None
    elapsed_ms: int


class ServiceItemsDocument(BaseModel):
    """A GeoJSON FeatureCollection (RFC 7946) of what the other system told."""

    type: Literal["FeatureCollection"]
    numberReturned: int
    numberMatched: int | None = None
    left_out: int | None
    features: list[dict[str, Any]]


class CallDocument(Document):
    day: date
    caller: str
    """An account; empty: not logged in."""
    calls: int
    kept: int
    errors: int
    bytes: int


class TotalDocument(Document):
    calls: int
    kept: int
    errors: int
    bytes: int


class CallsDocument(Document):
    layer: str
    first: date
    last: date
    total: TotalDocument
    calls: list[CallDocument]
