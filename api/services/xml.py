"""XML from strangers: bounded, without entities, names without their namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from api.errors import OriginFailed

MAX_DEPTH = 100
MAX_ELEMENTS = 1_000_000


@dataclass(slots=True)
class Element:
    """An element by its local name; `text` is what stands in it before its first child, trimmed."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()

    def all(self, name: str) -> list[Element]:
        """The children called `name`."""
        return [child for child in self.children if child.name == name]

    def first(self, *path: str) -> Element | None:
        """The first child of a child …, or None."""
        found: Element | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def said(self, *path: str) -> str:
        """The text at `path`, empty if there is none."""
        found = self.first(*path)
        return "" if found is None else found.text

    def below(self, name: str) -> Iterator[Element]:
        """Every element called `name` within, however deep."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.below(name)


def read_xml(body: bytes) -> Element:
    """The root element. Raises `OriginFailed` for what is no XML, declares entities, or is out of bounds.

    A document type without entities passes (WMS 1.1.1 demands one); nothing it names is ever fetched.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    root = Element("", {})
    stack = [root]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > MAX_DEPTH or count > MAX_ELEMENTS:
            raise _unreadable()
        told = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition(" ")[2], told)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def text(piece: str) -> None:
        if not stack[-1].children:
            stack[-1].pieces.append(piece)

    def refuse(*_: object) -> None:
        raise _unreadable()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = refuse
    parser.UnparsedEntityDeclHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _unreadable() from error
    return root.children[0]


def _unreadable() -> OriginFailed:
    return OriginFailed(
        "对方服务的 XML 无法读取，或含有实体声明",
        "the XML of the other system cannot be read, or declares entities",
    )
