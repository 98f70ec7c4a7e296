"""OpenStreetMap extracts: what of them the known layers hold, under OpenStreetMap's own keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers.errors import BadTable, EmptyFile, NotWhatItSays
from importers.options import ImportOptions
from importers.planning import plan
from importers.source import Source
from layers.catalogue import known_layers
from tests.importers.specimens import column, sources, text

LAYERS = {layer.id: layer for layer in known_layers()}
CORNERS = ((116.5, 31.7), (116.501, 31.7), (116.501, 31.701), (116.5, 31.701))


def tags(**given: str) -> str:
    return "".join(f'<tag k="{key.replace("__", ":")}" v="{value}"/>' for key, value in given.items())


def node(number: int, place: tuple[float, float], **given: str) -> str:
    return f'<node id="{number}" lon="{place[0]}" lat="{place[1]}" version="1">{tags(**given)}</node>'


def way(number: int, nodes: list[int], **given: str) -> str:
    references = "".join(f'<nd ref="{n}"/>' for n in nodes)
    return f'<way id="{number}" version="1">{references}{tags(**given)}</way>'


def extract(folder: Path, *content: str) -> Path:
    corners = "".join(node(i, place) for i, place in enumerate(CORNERS, start=1))
    body = f'<osm version="0.6">{corners}{"".join(content)}</osm>'
    return text(folder, "城区.osm", f'<?xml version="1.0" encoding="UTF-8"?>{body}')


def by_name(path: Path) -> dict[str, Source]:
    return {found.name: found for found in sources(path)}


def test_each_known_layer_gets_its_share_and_nothing_else_is_taken(tmp_path: Path) -> None:
    path = extract(
        tmp_path,
        node(10, (116.5005, 31.7005), highway="street_lamp"),
        node(11, (116.5006, 31.7005), addr__housenumber="12号", addr__street="人民路"),
        node(12, (116.5007, 31.7005), shop="bakery"),
        way(
            20,
            [1, 2, 3, 4, 1],
            building="apartments",
            building__levels="6",
            addr__street="人民路",
            height="18.5 m",
        ),
        way(21, [1, 2], highway="primary_link", name="人民路", lanes="4"),
        way(22, [3, 4], highway="footway"),
    )
    found = by_name(path)
    assert set(found) == {"building", "road", "address", "component"}
    assert {name: sum(len(c) for c in s.read(100)) for name, s in found.items()} == dict.fromkeys(found, 1)
    building = {name: column(found["building"], name)[0] for name in found["building"].schema.names}
    assert building == {
        "code": "w20", "name": None, "address": "人民路", "use": "apartments", "floors_above": 6,
        "height_m": 18.5, "built_year": None,
    }  # fmt: skip
    assert column(found["road"], "class") == ["trunk"]
    assert column(found["address"], "name") == ["人民路 12号"]
    assert column(found["component"], "class_code") == ["01037"]


def test_the_tables_are_recognised_as_the_layers_they_are_for(tmp_path: Path) -> None:
    path = extract(
        tmp_path,
        way(20, [1, 2, 3, 4, 1], building="yes"),
        way(21, [1, 2], highway="residential"),
        node(10, (116.5005, 31.7005), natural="tree"),
    )
    deliveries = plan(sources(path), LAYERS, ImportOptions())
    assert [d.parts[0].layer.id for d in deliveries] == ["road", "building", "component"]


def test_tags_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    ring = [1, 2, 3, 4, 1]
    path = extract(tmp_path, way(20, ring, building="yes", building__levels="many", height="about 10"))
    found = by_name(path)["building"]
    assert (column(found, "floors_above"), column(found, "height_m"), column(found, "use")) == (
        [None],
        [None],
        [None],
    )


def test_an_extract_without_any_of_them_is_empty_and_another_file_is_none(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        sources(extract(tmp_path, node(12, (116.5, 31.7), shop="bakery")))
    with pytest.raises(NotWhatItSays):
        sources(text(tmp_path, "a.osm.pbf", "something else"))
    with pytest.raises(BadTable, match="building"):
        sources(extract(tmp_path, way(20, [1, 2, 3, 4, 1], building="yes")), table="trees")
