"""Which themes there are and which layers each shows, in which order: the description files beside this one.

A theme without behaviour of its own is one `<id>.json`. A layer no theme names stands in the theme it
was registered under, or in `other`, so that a stranger's layer is on the map too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from layers.model import Layer, Text

FOLDER = Path(__file__).parent
FALLBACK = "other"
"""The theme of layers that belong to no other."""


@dataclass(frozen=True)
class Theme:
    """A group of layers as people look for them; `layers` are layer ids in drawing and listing order."""

    id: str
    title: Text
    icon: str
    order: int
    layers: tuple[str, ...]


@cache
def known_themes() -> tuple[Theme, ...]:
    """The described themes, in their order."""
    themes = (_read(file) for file in FOLDER.glob("*.json"))
    return tuple(sorted(themes, key=lambda theme: (theme.order, theme.id)))


def themes_of(layers: Iterable[Layer]) -> tuple[Theme, ...]:
    """The themes with just those of `layers` that each shows; themes that show none are left out.

    A layer is in every theme that names it; one that none names is in the theme of its own `theme`, or in
    `other`, after the named ones and by id.
    """
    given = sorted(layers, key=lambda layer: layer.id)
    ids = {layer.id for layer in given}
    named = {layer_id for theme in known_themes() for layer_id in theme.layers}
    known = {theme.id for theme in known_themes()}
    strangers: dict[str, list[str]] = {}
    for layer in given:
        if layer.id not in named:
            strangers.setdefault(layer.theme if layer.theme in known else FALLBACK, []).append(layer.id)
    filled = (
        replace(theme, layers=(*(i for i in theme.layers if i in ids), *strangers.get(theme.id, ())))
        for theme in known_themes()
    )
    return tuple(theme for theme in filled if theme.layers)


def _read(file: Path) -> Theme:
    told = json.loads(file.read_text(encoding="utf-8"))
    title = told["title"]
    return Theme(
        told["id"], Text(title["zh"], title["en"]), told["icon"], told["order"], tuple(told["layers"])
    )
