"""`filter`, `filter-lang`, `filter-crs` (OGC API – Features Part 3, 19-079r2 §7)."""

from __future__ import annotations

from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import Depends, Query

from api.ogc_parameters import CRS84, epsg_of, latitude_first, parse_crs
from layers.cql2 import FilterExpression, FilterLanguage, read_filter
from layers.errors import BadRequest

FILTER = "CQL2 条件 A CQL2 filter, such as floors > 3 AND name LIKE '道%'"
LANGUAGE = " / ".join(get_args(FilterLanguage))
COORDINATES = "filter 中坐标的坐标系 Coordinate reference system of its coordinates"
NAMES = ("filter", "filter-lang", "filter-crs")

CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/case-insensitive-comparison",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions-plus",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/property-property",
)
"""Not spatial-functions: of a collection of geometries only S_INTERSECTS and S_DISJOINT are answered."""


def filter_of(text: str | None, language: str | None, crs: str | None) -> FilterExpression | None:
    """What the three parameters mean together; None without `filter`. Raises `BadRequest`."""
    if text is None:
        for name, value in (("filter-lang", language), ("filter-crs", crs)):
            if value is not None:
                raise BadRequest(
                    f"“{name}”须与 filter 一起给出",
                    f"{name} says something of a filter, and there is none",
                    field=name,
                    value=value,
                    expected="filter",
                )
        return None
    system = parse_crs(crs or CRS84, "filter-crs")
    epsg, swapped = epsg_of(system) or 4490, latitude_first(system)
    for known in get_args(FilterLanguage):
        if known == (language or "cql2-text"):
            return read_filter(text, known, epsg=epsg, latitude_first=swapped)
    raise BadRequest(
        f"没有这种条件语言：{(language or '')[:60]}",
        f"there is no filter language {(language or '')[:60]!r}",
        field="filter-lang",
        value=language,
        expected=LANGUAGE,
    )


def filter_query(text: str | None, language: str | None, crs: str | None) -> str:
    """The parameters as part of an address, with a leading `&`; empty without a filter."""
    given = {name: value for name, value in zip(NAMES, (text, language, crs), strict=True) if value}
    return f"&{urlencode(given)}" if given else ""


async def _asked(
    text: Annotated[
        str | None, Query(alias="filter", description=FILTER, examples=["floors_total > 6"])
    ] = None,
    language: Annotated[str | None, Query(alias="filter-lang", description=LANGUAGE)] = None,
    crs: Annotated[str | None, Query(alias="filter-crs", description=COORDINATES)] = None,
) -> tuple[str | None, str | None, str | None]:
    return text, language, crs


AskedFilterDep = Annotated[tuple[str | None, str | None, str | None], Depends(_asked)]
"""The three parameters as they were sent: `filter_of(*asked)` reads them."""
