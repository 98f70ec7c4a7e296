"""The drawn style of each known layer: complete, and only from what travels in tiles."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KNOWN = Path(__file__).parents[2] / "layers" / "known"
THEMES = Path(__file__).parents[2] / "themes"
IDS = sorted(path.stem for path in KNOWN.glob("*.toml"))


def read_style(layer_id: str) -> dict[str, Any]:
    return json.loads((KNOWN / f"{layer_id}.style.json").read_text("utf-8"))


def lists_and_texts(value: object) -> Iterator[list[Any] | str]:
    """Every list and every text inside `value`, depth first."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from lists_and_texts(inner)
    elif isinstance(value, list):
        yield value
        for inner in value:
            yield from lists_and_texts(inner)


@pytest.mark.parametrize("layer_id", IDS)
def test_a_style_reads_only_fields_that_travel_in_tiles(layer_id: str) -> None:
    description = tomllib.loads((KNOWN / f"{layer_id}.toml").read_text("utf-8"))
    in_tiles = {field["name"] for field in description["fields"] if field.get("in_tiles")}
    # the mark of the square in which an area is named, and how many rows one stands for
    in_tiles |= {description["key"], "_label", "_count"}
    read = {
        part[1]
        for part in lists_and_texts(read_style(layer_id)["layers"])
        if isinstance(part, list) and len(part) > 1 and part[0] in ("get", "has")
    }
    assert read <= in_tiles


@pytest.mark.parametrize("layer_id", IDS)
def test_every_colour_name_stands_in_both_palettes_and_is_used(layer_id: str) -> None:
    style = read_style(layer_id)
    used = {
        part[1:]
        for part in lists_and_texts([style["layers"], style["legend"]])
        if isinstance(part, str) and part.startswith("@")
    }
    assert used == set(style["palette"]["light"]) == set(style["palette"]["dark"])


@pytest.mark.parametrize("layer_id", IDS)
def test_no_colour_is_written_outside_the_palette_but_the_invisible_one(layer_id: str) -> None:
    colours = [
        part
        for part in lists_and_texts(read_style(layer_id)["layers"])
        if isinstance(part, str) and re.match(r"#[0-9a-fA-F]{3,8}$|(rgb|hsl)a?\(", part)
    ]
    assert set(colours) <= {"rgba(0,0,0,0)"}


@pytest.mark.parametrize("layer_id", IDS)
def test_style_layers_are_named_after_their_layer_and_say_their_place_in_the_drawing(layer_id: str) -> None:
    for drawn in read_style(layer_id)["layers"]:
        assert drawn["id"].startswith(f"{layer_id}-")
        assert isinstance(drawn["metadata"]["onemap:order"], int)
        assert "source" not in drawn
        assert "source-layer" not in drawn


@pytest.mark.parametrize("layer_id", IDS)
def test_every_legend_entry_is_titled_in_both_languages_and_shows_a_colour_or_an_icon(layer_id: str) -> None:
    legend = read_style(layer_id)["legend"]
    assert legend
    for entry in legend:
        assert entry["title"]["zh"]
        assert entry["title"]["en"]
        assert ("color" in entry) != ("icon" in entry)


def test_the_themes_name_every_known_layer_once() -> None:
    named = [
        layer for path in THEMES.glob("*.json") for layer in json.loads(path.read_text("utf-8"))["layers"]
    ]
    assert sorted(named) == IDS
