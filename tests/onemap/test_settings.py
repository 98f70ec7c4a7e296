"""The environment is read once, strictly, and never shown with its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from layers.errors import BadRequest
from onemap.settings import Settings, read_settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings(language="en")


def test_values_are_parsed_for_their_field() -> None:
    settings = read_settings(
        {
            "ONEMAP_HOME": "/srv/onemap",
            "ONEMAP_PORT": "9000",
            "ONEMAP_SECURE_COOKIES": "true",
            "ONEMAP_CORS_ORIGINS": "https://a.example, https://b.example",
            "LANG": "zh_CN.UTF-8",
        }
    )
    assert settings.home == Path("/srv/onemap")
    assert settings.port == 9000
    assert settings.secure_cookies
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.language == "zh"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ONEMAP_PORT", "eighty"),
        ("ONEMAP_PORT", "0"),
        ("ONEMAP_PORT", "70000"),
        ("ONEMAP_WORKERS", "-1"),
        ("ONEMAP_SECURE_COOKIES", "perhaps"),
        ("ONEMAP_LANGUAGE", "fr"),
        ("ONEMAP_DATABASE_URL", "mysql://x"),
        ("ONEMAP_PROT", "8000"),
    ],
)
def test_a_wrong_value_or_name_is_refused_with_the_variable(variable: str, value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_settings({variable: value})
    assert caught.value.facts["field"] == variable


def test_a_password_is_never_shown() -> None:
    settings = read_settings({"ONEMAP_DATABASE_URL": "postgresql://a:secret@h/d"})
    assert "secret" not in repr(settings)
    with pytest.raises(BadRequest) as caught:
        read_settings({"ONEMAP_DATABASE_URL": "mysql://a:secret@h/d"})
    assert "secret" not in str(caught.value) + repr(caught.value.facts)
