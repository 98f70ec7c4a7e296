"""Where the rows of a table may lie: each reference system that its numbers allow, and where it puts them.

Reading refuses what cannot be told (`importers.place`); here the same doubt becomes choices for a person,
who sees each on the map before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.crs import CGCS2000, Frame, describe, guess_gauss, read_crs, reproject, to_cgcs2000
from gis.gauss import LUAN, on_older_datums
from gis.measures import distance_m
from importers.errors import BadFile, NoGeometry, UnknownPlace
from importers.options import ImportOptions
from importers.place import first_places, placed
from importers.shaped import shaped
from importers.source import Source
from layers.model import BoundingBox

MOST = 8
"""Choices that a person is shown."""
_WEB_MERCATOR = 3857
_UTM_NORTH = 32600
_MERCATOR_CHINA_M = (7_500_000.0, 15_500_000.0)
"""Eastings of China in Web Mercator, which begin where prefixed zones could end."""

_Tried = tuple[str, Frame | None, bool]


class Whereabouts(NamedTuple):
    """One way to place the rows. `away_km`: from the city's box to the middle row; None: no city known."""

    crs: str
    name: str
    frame: Frame | None
    swapped: bool
    longitude: float
    latitude: float
    away_km: float | None

    @property
    def zh(self) -> str:
        """Where it would put the rows, in Chinese."""
        if self.away_km is None:
            return f"落在 {self.longitude:.3f}°E，{self.latitude:.3f}°N"
        return "落在本市范围内" if self.away_km == 0 else f"距本市约 {self.away_km:,.0f} km"

    @property
    def en(self) -> str:
        """The same in English."""
        if self.away_km is None:
            return f"lies at {self.longitude:.3f}°E, {self.latitude:.3f}°N"
        return "lies in the city" if self.away_km == 0 else f"some {self.away_km:,.0f} km from the city"


class Looked(NamedTuple):
    """A table placed as reading would (`source`), or by the likeliest choice because of `doubt`.

    `source` is None where nothing could place it.
    """

    source: Source | None
    doubt: BadFile | None
    choices: list[Whereabouts]
    taken: Whereabouts | None


def look_at_place(source: Source, options: ImportOptions, city: BoundingBox | None) -> Looked:
    """`source` placed, with the other places where its rows could lie; never raises for doubts."""
    try:
        shapes, _ = shaped(source, options)
    except NoGeometry as error:
        return Looked(None, error, [], None)
    choices = whereabouts(*first_places(shapes), city)
    try:
        return Looked(placed(source, options, city), None, choices, None)
    except UnknownPlace as error:
        for choice in choices:
            said = replace(options, crs=choice.crs, frame=choice.frame, swapped=choice.swapped)
            try:
                return Looked(placed(source, said, city), error, choices, choice)
            except UnknownPlace:
                continue
        return Looked(None, error, choices, None)


def whereabouts(
    x: NDArray[np.float64], y: NDArray[np.float64], city: BoundingBox | None
) -> list[Whereabouts]:
    """The ways to place coordinates as they stand in a file, nearest to the city first, at most `MOST`.

    `x`, `y`: finite numbers of any length; none for no numbers.
    """
    if not x.size:
        return []
    middle = float(np.median(x)), float(np.median(y))
    found = []
    for crs, frame, swapped in dict.fromkeys(_ways(x, y, city)):
        at = _lands(crs, frame, middle[::-1] if swapped else middle)
        if at is not None:
            found.append(Whereabouts(crs, describe(read_crs(crs)), frame, swapped, *at, _away_km(at, city)))
    return sorted(found, key=lambda one: one.away_km or 0.0)[:MOST]


def _ways(x: NDArray[np.float64], y: NDArray[np.float64], city: BoundingBox | None) -> Iterator[_Tried]:
    """What the numbers could be in, the likeliest first."""
    if bool((np.abs(x) <= 180).all() and (np.abs(y) <= 180).all()):
        for swapped in (False, True):
            frames: tuple[Frame | None, ...] = (None, "gcj02", "bd09")
            yield from (("EPSG:4490", frame, swapped) for frame in frames)
        return
    home = LUAN if city is None else ((city.west + city.east) / 2, (city.south + city.north) / 2)
    guess = guess_gauss(x, y, home=home)
    if guess is not None:
        near = (guess.epsg,) if guess.certain else (guess.epsg, guess.epsg - 1, guess.epsg + 1)
        for epsg in near:
            for code in (epsg, *on_older_datums(epsg)):
                yield f"EPSG:{code}", None, guess.swapped
        if not guess.certain:
            yield f"EPSG:{_UTM_NORTH + int((home[0] + 180) // 6) + 1}", None, guess.swapped
    low, high = _MERCATOR_CHINA_M
    for swapped, east in ((False, x), (True, y)):
        if bool(((east >= low) & (east <= high)).mean() > 0.5):
            yield f"EPSG:{_WEB_MERCATOR}", None, swapped


def _lands(crs: str, frame: Frame | None, point: tuple[float, float]) -> tuple[float, float] | None:
    """Longitude and latitude of a point; None where the reference system has no such place."""
    moved = reproject(np.array([shapely.Point(*point)], dtype=object), read_crs(crs), CGCS2000)[0]
    if moved is None or not (abs(moved.x) <= 180 and abs(moved.y) <= 90):
        return None
    if frame is None:
        return float(moved.x), float(moved.y)
    lon, lat = to_cgcs2000(np.array([moved.x]), np.array([moved.y]), frame)
    return float(lon[0]), float(lat[0])


def _away_km(at: tuple[float, float], city: BoundingBox | None) -> float | None:
    if city is None:
        return None
    nearest = min(max(at[0], city.west), city.east), min(max(at[1], city.south), city.north)
    return 0.0 if nearest == at else float(distance_m(*at, *nearest)) / 1000.0
