"""Which share of a layer's rows is drawn far out where no lighter copy serves: pure.

An earlier version of a layer and a table of the user's own have none. Of a million rows in a square some are
drawn, told apart by a digest of their ids: the same in every square of a zoom, so that what one square shows
goes on in the next, and those of a zoom are among those of the next one in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, func, literal_column

from layers.access import Scope
from layers.model import Layer

MOST_ON_AVERAGE = 20_000
"""Rows drawn in a tile if they lay evenly over the layer's bounds."""
MOST_AT_ALL = 60_000
"""Rows drawn in any tile, where they lie as they do: some 5 MB of small areas."""
_DIGESTS = 2**31


class Thinned(NamedTuple):
    """A band of zooms in which `share` of the rows is drawn, others are counted."""

    share: float


def thinned_at(layer: Layer, zoom: int) -> Thinned | None:
    """The share of rows drawn at a zoom of the Web Mercator quad; None where all are.

    An earlier version is taken to have as many rows as the current one.
    """
    if layer.bounds is None or layer.feature_count == 0:
        return None
    west, south, east, north = layer.bounds
    side = 360.0 / (1 << zoom)
    tiles = max(1.0, (east - west) / side) * max(1.0, (north - south) / side)
    share = MOST_ON_AVERAGE * tiles / layer.feature_count
    return None if share >= 1.0 else Thinned(share)


def is_unmeasured(scope: Scope) -> bool:
    """Whether nobody has made sure that a tile of the scope's rows is light.

    Of our own current rows it is known, when their version is made (`layers.generalise`).
    """
    return scope.layer.relation is not None or not scope.is_current


def is_among(thinned: Thinned, number: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the row with the id `number` is one of the share."""
    digest = func.hashint8(number, type_=BigInteger()).op("&")(literal_column(str(_DIGESTS - 1)))
    return digest < literal_column(str(int(thinned.share * _DIGESTS)))
