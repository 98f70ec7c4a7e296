"""The entities of a drawing one by one, block references taken apart, with what a person sees of each.

A block reference is a point with its block's name and attributes; what its block draws comes too, where it
is drawn: scaled, turned, mirrored, nested. What has no shape on a map is counted by type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import shapely
from ezdxf import colors
from ezdxf.document import Drawing
from ezdxf.entities.dxfgfx import DXFGraphic
from ezdxf.entities.insert import Insert
from ezdxf.entities.mline import MLine
from ezdxf.entities.mtext import MText
from ezdxf.entities.text import Text
from ezdxf.math import Vec3

from importers.drawing_shapes import FAULTS, FLAT, Degenerate, Shape, shape_of

Family = Literal["points", "lines", "areas", "texts"]

MAX_PIECES = 1_000_000
"""Rows one drawing may give: several times a city's 1:500 sheet; blocks within blocks multiply endlessly."""
MAX_DEPTH = 12
"""Blocks within blocks; AutoCAD sets no limit, drawings of surveys have two or three."""
BYBLOCK, BYLAYER = 0, 256
APPLICATION = "SOUTH"
"""The name under which CASS, the surveying software, keeps its feature code with an entity."""
_FAMILIES: dict[int, Family] = {
    int(shapely.GeometryType.POINT): "points", int(shapely.GeometryType.LINESTRING): "lines",
    int(shapely.GeometryType.POLYGON): "areas", int(shapely.GeometryType.MULTIPOLYGON): "areas",
}  # fmt: skip


_UNICODE = re.compile(r"\\U\+([0-9A-Fa-f]{4})")
_MULTIBYTE = re.compile(r"\\M\+([1-5])([0-9A-Fa-f]{4})")
_CODE_PAGES = {"1": "cp932", "2": "cp950", "3": "cp949", "4": "johab", "5": "gb18030"}
"""How a character that its code page lacks is written, and in the code page of another country."""


class TooMuch(Exception):
    """The drawing gives more rows than are read."""


class Piece(NamedTuple):
    """One row. `attributes`: of a block reference, by tag; `turn_deg` counter-clockwise from east."""

    family: Family
    geometry: shapely.Geometry
    id: str
    handle: str
    kind: str
    layer: str
    block: str | None
    text: str | None
    aci: int | None
    rgb: str | None
    elevation: float | None
    height: float | None
    turn_deg: float | None
    scale: float | None
    feature_code: str | None
    attributes: dict[str, str]


@dataclass
class Seen:
    """What was noticed on the way."""

    dropped: Counter[str] = field(default_factory=Counter)
    """By type of entity, those without a shape on a map."""
    degenerate: int = 0
    hidden: int = 0
    """Rows on layers that are switched off or frozen."""
    lost_blocks: Counter[str] = field(default_factory=Counter)
    """References to blocks that are not in the file, that hold themselves, or lie too deep."""
    xrefs: dict[str, str] = field(default_factory=dict)
    exploded: int = 0


class _Place(NamedTuple):
    """Where an entity stands: in which references, and what it takes from the outermost."""

    blocks: tuple[str, ...]
    handle: str
    layer: str | None
    colour: tuple[int | None, str | None] | None


class Walk:
    """The pieces of the model space; `seen` is whole when they are through."""

    def __init__(self, document: Drawing, tolerance: float) -> None:
        self._document = document
        self._tolerance = tolerance
        self._count = 0
        self._parts: Counter[str] = Counter()
        self._layers = {layer.dxf.name.lower(): layer for layer in document.layers}
        self.seen = Seen(xrefs=_external(document))

    def pieces(self) -> Iterator[Piece]:
        """Every piece of the model space, in the order of the file. Raises `TooMuch`."""
        yield from self._all(self._document.modelspace(), _Place((), "", None, None))

    def _all(self, entities: Iterable[DXFGraphic], place: _Place) -> Iterator[Piece]:
        for entity in entities:
            handle = entity.dxf.get("handle")
            here = place._replace(handle=str(handle)) if handle and not place.blocks else place
            kind = entity.dxftype()
            if isinstance(entity, Insert):
                yield from self._reference(entity, here)
            elif isinstance(entity, (Text, MText)) and kind in ("TEXT", "MTEXT", "ATTRIB"):
                yield from self._made(entity, _text_shape(entity), here)
            elif isinstance(entity, MLine):
                yield from self._all(entity.virtual_entities(), here)
            elif kind in FLAT:
                yield from self._made(entity, None, here)
            elif kind not in ("ATTDEF", "SEQEND"):
                self.seen.dropped[kind] += 1

    def _reference(self, insert: Insert, place: _Place) -> Iterator[Piece]:
        name = str(insert.dxf.name)
        if name.lower() in {x.lower() for x in self.seen.xrefs}:
            return
        block = insert.block()
        if block is None or name.lower() in map(str.lower, place.blocks) or len(place.blocks) >= MAX_DEPTH:
            self.seen.lost_blocks[name] += 1
            return
        if insert.mcount > MAX_PIECES:
            raise TooMuch
        for one in insert.multi_insert() if insert.mcount > 1 else (insert,):
            location = Vec3(one.dxf.insert)
            location = one.ocs().to_wcs(location) if one.ocs().transform else location
            yield from self._made(one, Shape(shapely.Point(location.x, location.y), location.z), place)
            layer, colour = self._looks(one, place)
            inner = _Place((*place.blocks, name), place.handle, layer, colour)
            self.seen.exploded += 1
            try:
                yield from self._all(one.virtual_entities(skipped_entity_callback=self._skip), inner)
            except FAULTS:
                self.seen.lost_blocks[name] += 1

    def _skip(self, entity: DXFGraphic, reason: str) -> None:
        self.seen.dropped[entity.dxftype()] += 1

    def _made(self, entity: DXFGraphic, shape: Shape | None, place: _Place) -> Iterator[Piece]:
        """The one piece of an entity, or none if it draws nothing."""
        try:
            found = shape if shape is not None else shape_of(entity, self._tolerance)
        except (Degenerate, *FAULTS):
            self.seen.degenerate += 1
            return
        if shape is not None and not shapely.is_valid(found.geometry):
            self.seen.degenerate += 1
            return
        self._count += 1
        if self._count > MAX_PIECES:
            raise TooMuch
        layer, (aci, rgb) = self._looks(entity, place)
        drawn = self._layers.get(layer.lower())
        if drawn is not None and (drawn.is_off() or drawn.is_frozen()):
            self.seen.hidden += 1
        yield self._piece(entity, found, place, layer, aci, rgb)

    def _piece(
        self, entity: DXFGraphic, shape: Shape, place: _Place, layer: str, aci: int | None, rgb: str | None
    ) -> Piece:
        dxf = entity.dxf
        is_text = isinstance(entity, (Text, MText)) and not isinstance(entity, Insert)
        reference = entity if isinstance(entity, Insert) else None
        turns = reference is not None or is_text
        block = str(reference.dxf.name) if reference is not None else next(reversed(place.blocks), None)
        return Piece(
            family="texts" if is_text else _FAMILIES[int(shapely.get_type_id(shape.geometry))],
            geometry=shape.geometry,
            id=self._numbered(place.handle),
            handle=place.handle,
            kind=entity.dxftype(),
            layer=legible(layer),
            block=None if block is None else legible(block),
            text=_words(entity) if is_text else None,
            aci=aci,
            rgb=rgb,
            elevation=shape.elevation,
            height=_text_height(entity) if is_text else None,
            turn_deg=_turn_deg(entity) if turns else None,
            scale=float(dxf.get("xscale", 1.0)) if reference is not None else None,
            feature_code=_feature_code(entity),
            attributes={} if reference is None else _attributes(reference),
        )

    def _numbered(self, handle: str) -> str:
        """The handle, with a number from the second piece on that comes of one entity."""
        self._parts[handle] += 1
        number = self._parts[handle]
        return handle if number == 1 else f"{handle}/{number}"

    def _looks(self, entity: DXFGraphic, place: _Place) -> tuple[str, tuple[int | None, str | None]]:
        """Layer and colour as drawn: what lies on layer 0 of a block takes those of its reference."""
        layer = str(entity.dxf.get("layer", "0"))
        if layer == "0" and place.layer is not None:
            layer = place.layer
        true = entity.dxf.get("true_color")
        if true is not None:
            return layer, (None, "#{:02X}{:02X}{:02X}".format(*colors.int2rgb(int(true))))
        aci = int(entity.dxf.get("color", BYLAYER))
        if aci == BYBLOCK and place.colour is not None:
            return layer, place.colour
        if aci in (BYLAYER, BYBLOCK):
            drawn = self._layers.get(layer.lower())
            aci = abs(int(drawn.dxf.get("color", 7))) if drawn is not None else 7
        rgb = "#{:02X}{:02X}{:02X}".format(*colors.aci2rgb(aci)) if 1 <= aci <= 255 else None
        return layer, (aci, rgb)


def _external(document: Drawing) -> dict[str, str]:
    """Drawings that this one refers to: block name and the file's name, without its folders."""
    found = {}
    for block in document.blocks:
        head = block.block
        if head is not None and (int(head.dxf.get("flags", 0)) & 4 or head.dxf.get("xref_path")):
            path = str(head.dxf.get("xref_path", "")).replace("\\", "/")
            found[str(block.name)] = path.rsplit("/", 1)[-1]
    return found


def legible(text: str) -> str:
    """Text with characters that are written by number as themselves, undecodable bytes as `�`."""
    if "\\U+" in text or "\\M+" in text:
        text = _UNICODE.sub(lambda m: chr(int(m.group(1), 16)), text)
        text = _MULTIBYTE.sub(_from_code_page, text)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _from_code_page(found: re.Match[str]) -> str:
    page = _CODE_PAGES[found.group(1)]
    return bytes.fromhex(found.group(2)).decode(page, "replace")


def _text_shape(entity: Text | MText) -> Shape:
    """The point at which a text is set."""
    if isinstance(entity, MText):
        place = Vec3(entity.dxf.insert)
    else:
        _, first, _ = entity.get_placement()
        place = entity.ocs().to_wcs(first) if entity.ocs().transform else first
    return Shape(shapely.Point(place.x, place.y), place.z)


def _words(entity: DXFGraphic) -> str | None:
    assert isinstance(entity, (Text, MText))
    words = entity.plain_text()
    return legible(words if isinstance(words, str) else "\n".join(words)).strip() or None


def _text_height(entity: DXFGraphic) -> float:
    return float(entity.dxf.get("char_height" if isinstance(entity, MText) else "height", 0.0))


def _turn_deg(entity: DXFGraphic) -> float:
    """Degrees counter-clockwise from east, 0 up to 360."""
    if isinstance(entity, MText):
        return round(float(entity.get_rotation()) % 360.0, 6)
    return round(float(entity.dxf.get("rotation", 0.0)) % 360.0, 6)


def _attributes(insert: Insert) -> dict[str, str]:
    found: dict[str, str] = {}
    for attribute in insert.attribs:
        tag, value = legible(str(attribute.dxf.get("tag", ""))).strip(), _words(attribute)
        if tag and value is not None:
            found.setdefault(tag, value)
    return found


def _feature_code(entity: DXFGraphic) -> str | None:
    """The code CASS keeps with an entity: the first text of its extended data."""
    if not entity.has_xdata(APPLICATION):
        return None
    tags: Any = entity.get_xdata(APPLICATION)
    return next((legible(str(tag.value)).strip() or None for tag in tags if tag.code == 1000), None)
