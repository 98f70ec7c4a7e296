"""Descriptions of layers: read, refused with a reason, written and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from layers.description import field_name, from_json, known_layers, read_file, to_json
from layers.errors import BadData
from layers.model import Text
from tests.layers.specimens import shop_layer

WELL = """
id = "well"
title = { zh = "井", en = "Well" }
theme = "pipe"
geometry_type = "Point"
key = "code"
search_fields = ["code"]
access = "public"
[[fields]]
name = "code"
title = { zh = "编号" }
aliases = ["物探点号", "ID"]
required = true
[[fields]]
name = "depth_m"
title = { zh = "井深", en = "Depth" }
type = "number"
unit = "m"
codes = { "0" = { zh = "无", en = "none" } }
"""


def _write(folder: Path, text: str, name: str = "well.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_description_file_becomes_a_known_layer(tmp_path: Path) -> None:
    layer = read_file(_write(tmp_path, WELL))
    assert (layer.known, layer.status, layer.version) == (True, "empty", 0)
    assert layer.fields[0].title == Text("编号", "编号")
    assert layer.fields[1].codes == {"0": Text("无", "none")}
    assert known_layers(tmp_path) == (layer,)


def test_a_folder_without_descriptions_knows_no_layer(tmp_path: Path) -> None:
    assert known_layers(tmp_path) == ()


def test_the_known_layers_can_all_be_read() -> None:
    assert {"component", "unit_grid"} <= {layer.id for layer in known_layers()}


def test_what_is_written_is_read_again() -> None:
    layer = shop_layer()
    assert from_json(to_json(layer), where="column") == layer


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('id = "well"', 'id = "Well; DROP TABLE"', "id"),
        ('id = "well"', 'id = "other"', "id"),
        ('id = "well"', 'id = "well__past"', "id"),
        ('geometry_type = "Point"', 'geometry_type = "Circle"', "geometry_type"),
        ('key = "code"', 'key = "nothing"', "key"),
        ('access = "public"', 'access = "open"', "access"),
        ('theme = "pipe"', 'thema = "pipe"', "thema"),
        ('name = "depth_m"', 'name = "code"', "name"),
        ('name = "depth_m"', 'name = "_fid"', "name"),
        ('name = "depth_m"', 'name = "xmin"', "name"),
        ('name = "depth_m"', f'name = "{"深" * 22}"', "name"),
        ('name = "depth_m"', 'name = "depth_m"\naliases = ["id"]', "aliases"),
        ('type = "number"', 'type = "decimal"', "type"),
        ("required = true", 'sensitivity = "personal"', "key"),
        ("required = true", 'required = "yes"', "required"),
        ('key = "code"', 'key = "code"\ntime_field = "depth_m"', "time_field"),
        ('key = "code"', 'key = "code"\nmin_zoom = 99', "min_zoom"),
        ('key = "code"', 'key = "code"\ntile_kb = 501', "tile_kb"),
    ],
)
def test_a_wrong_description_names_file_field_and_value(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    with pytest.raises(BadData) as refused:
        read_file(_write(tmp_path, WELL.replace(old, new)))
    assert refused.value.facts["field"] == field
    assert "well.toml" in str(refused.value)


@pytest.mark.parametrize("text", ["id = ", 'id = "a"\nid = "b"', "", "\ufeff[[fields]]"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadData, match=r"well\.toml"):
        read_file(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "taken", "name"),
    [
        (" 名称 ", [], "名称"),
        ("Name", ["name"], "Name_2"),
        ("_geom", [], "_geom_"),
        ("a\nb", [], "a b"),
        ("", [], "field"),
        ("长" * 30, ["长" * 21], "长" * 20 + "_2"),
    ],
)
def test_any_column_title_gets_a_usable_name(text: str, taken: list[str], name: str) -> None:
    assert field_name(text, taken) == name
