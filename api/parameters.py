"""Query parameters nobody declared are refused: a misspelt filter must not answer for the whole layer.

OGC API – Features Part 1 (17-069r4), requirement /req/core/query-param-unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from layers.errors import unknown_parameter

FILTERS: Mapping[str, object] = {
    "parameters": [
        {
            "name": "filters",
            "in": "query",
            "description": "字段=值，可多个 field=value, all must hold",
            "required": False,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            "style": "form",
            "explode": True,
        }
    ]
}
"""`openapi_extra` of a route that takes property filters."""


ARGUMENTS: Mapping[str, object] = {
    "parameters": [
        {
            "name": "arguments",
            "in": "query",
            "description": "函数图层的参数，名=值 What is said to a function layer, argument=value",
            "required": False,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            "style": "form",
            "explode": True,
        }
    ]
}
"""`openapi_extra` of a route that takes the arguments of a function layer."""


async def refuse_unknown(request: Request) -> None:
    """Raises `BadRequest` if the query names a parameter that the route's OpenAPI description does not.

    A route that declares an object parameter (OpenAPI style `form`, exploded: property filters) takes any
    name, and checks it itself.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    known = _declared(request.app).get((route.path_format, request.method.lower()))
    if known is None or "*" in known:
        return
    for name in request.query_params:
        if name not in known:
            raise unknown_parameter(
                name, request.query_params[name], ", ".join(sorted(known)) or "no parameters"
            )


async def filters_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The property filters: every (name, value) of the query that is not a parameter of the route."""
    route = request.scope["route"]
    known = _declared(request.app)[route.path_format, request.method.lower()]
    return tuple((name, value) for name, value in request.query_params.multi_items() if name not in known)


def _declared(app: FastAPI) -> Mapping[tuple[str, str], frozenset[str]]:
    """Names of the query parameters by (path, method); `*` where any name is taken. Made once per app."""
    known: Mapping[tuple[str, str], frozenset[str]] | None = getattr(app.state, "query_parameters", None)
    if known is None:
        known = {
            (path, method): frozenset(
                "*" if parameter.get("schema", {}).get("type") == "object" else parameter["name"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "query"
            )
            for path, operations in app.openapi()["paths"].items()
            for method, operation in operations.items()
        }
        app.state.query_parameters = known
    return known


FiltersDep = Annotated[tuple[tuple[str, str], ...], Depends(filters_of)]
