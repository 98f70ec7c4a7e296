"""Answers as bytes: JSON by orjson, whole numbers and UTF-8 as they are."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response


class Json(Response):
    """A JSON answer; `content` is anything orjson writes (NaN becomes null)."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def text(title: tuple[str, str]) -> Mapping[str, str]:
    """A `layers.model.Text` as it travels: `{"zh": …, "en": …}`."""
    return {"zh": title[0], "en": title[1]}
