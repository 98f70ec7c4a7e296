"""Every error has its status and says nothing that must not leave."""

from __future__ import annotations

import importlib
import pkgutil

import orjson
import pytest
from starlette.types import Scope

import api
import gis
import grid
import importers
import layers
import themes
import tiles
from api.problems import STATUS, TITLES, problem, status_of
from gis.errors import GisError
from layers import errors


def every_error() -> list[type[errors.OneMapError]]:
    for room in (gis, layers, grid, tiles, themes, importers, api):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)
    found: list[type[errors.OneMapError]] = []
    waiting = errors.OneMapError.__subclasses__()
    while waiting:
        found += waiting
        waiting = [inner for outer in waiting for inner in outer.__subclasses__()]
    return found


def asked(language: str = "") -> Scope:
    headers = [(b"accept-language", language.encode())] if language else []
    return {"type": "http", "headers": headers, "path": "/x", "state": {"request_id": "abc"}}


def test_every_class_of_error_has_a_status() -> None:
    for error in every_error():
        assert any(ancestor in STATUS for ancestor in error.__mro__), f"{error.__name__} has no status"


def test_every_status_has_a_title() -> None:
    assert set(STATUS.values()) <= set(TITLES)


def test_a_problem_holds_the_facts_of_its_error() -> None:
    error = errors.BadRequest("值不对", "wrong value", field="x", value=7, expected="1..5")
    answer = problem(error, asked())
    told = orjson.loads(answer.body)
    assert answer.media_type == "application/problem+json"
    assert (answer.status_code, told["status"], told["detail"]) == (400, 400, "值不对")
    assert (told["field"], told["value"], told["expected"]) == ("x", "7", "1..5")


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("", "甲"),
        ("en", "b"),
        ("en-GB,en;q=0.9", "b"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "甲"),
        ("fr, en;q=0.3", "b"),
        ("fr", "甲"),
        ("en;q=0, zh;q=0.1", "甲"),
        ("en;q=x;;,,", "甲"),
    ],
)
def test_the_language_is_the_one_preferred(header: str, detail: str) -> None:
    answer = problem(errors.NotFound("甲", "b"), asked(header))
    assert orjson.loads(answer.body)["detail"] == detail


def test_an_unexpected_error_tells_nothing_of_itself() -> None:
    answer = problem(RuntimeError("password=hunter2"), asked("en"))
    assert answer.status_code == 500
    assert b"hunter2" not in answer.body
    assert b"abc" in answer.body


def test_a_fault_of_arithmetic_is_the_callers() -> None:
    assert status_of(GisError("甲", "b")) == 400


def test_a_wait_that_is_asked_for_is_told_in_the_header() -> None:
    answer = problem(errors.TooMuch("甲", "b", retry_after_s=30), asked())
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "30"


def test_facts_that_json_cannot_say_do_not_break_the_answer() -> None:
    error = errors.Conflict("甲", "b", odd={1: object()}, lone="\ud800")
    assert problem(error, asked()).status_code == 409
