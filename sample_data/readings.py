"""A year of readings: hourly air and noise, four-hourly water, rain when it rains.

Times are China Standard Time (+08:00), from 2025-06-01 00:00 to 2026-05-31 23:00. The numbers are
invented, with the seasons and hours a city in the Jianghuai has: fine dust in winter, ozone on summer
afternoons, rain in the plum rains, noise at the rush hours. One weather drives all stations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.stations import Station
from sample_data.utilities import Texts

START = np.datetime64("2025-06-01T00", "h")
HOURS = 365 * 24
GAP_SHARE = 0.006
"""Part of the hours in which a station is silent."""


@dataclass(frozen=True)
class Series:
    """Readings of one station: hours since START, and per indicator the value as it is written ('' none)."""

    station: Station
    hour: Ints
    values: list[Texts]


def time_texts() -> list[str]:
    """The year's hours as "YYYY-MM-DD HH:00"."""
    return [str(t).replace("T", " ") + ":00" for t in START + np.arange(HOURS).astype("timedelta64[h]")]


def read_stations(stations: list[Station], rng: np.random.Generator) -> Iterator[Series]:
    """The year's readings of each station, in order."""
    weather = _Weather(rng)
    for station in stations:
        own = np.random.default_rng([int(rng.integers(2**31)), 7])
        yield _MAKERS[station.network.kind](station, weather, own)


class _Weather:
    """What all stations share: season, hour, still air, rain. `stagnant` has mean 0 and spread 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        hour = np.arange(HOURS)
        self.hour_of_day = hour % 24
        self.day_of_year = (151 + hour / 24) % 365
        self.winter = 0.5 + 0.5 * np.cos(2 * np.pi * (self.day_of_year - 10) / 365)
        self.stagnant = _walk(rng, HOURS, 60.0)
        self.warmth = (
            16.0 - 12.5 * np.cos(2 * np.pi * (self.day_of_year - 25) / 365) + 2.5 * _walk(rng, HOURS, 72.0)
        )
        self.rain_mm = self._rain(rng)

    def _rain(self, rng: np.random.Generator) -> Floats:
        """Millimetres in each hour: showers that begin by chance, oftener and heavier in early summer."""
        plum = np.exp(-(((self.day_of_year - 182) / 28) ** 2))
        chance = 0.011 + 0.016 * plum + 0.003 * (1 - self.winter)
        rain = np.zeros(HOURS)
        for start in np.flatnonzero(rng.random(HOURS) < chance).tolist():
            length = int(rng.integers(2, 14))
            depth = rng.gamma(1.0, 6.0 + 14.0 * plum[start])
            shape = rng.dirichlet(np.full(length, 1.6)) * depth
            end = min(start + length, HOURS)
            rain[start:end] += shape[: end - start]
        return rain


def _walk(rng: np.random.Generator, count: int, memory: float) -> Floats:
    """A smooth random course of mean 0 and spread about 1 that forgets after `memory` steps."""
    kernel = np.exp(-np.arange(int(memory * 5)) / memory)
    noise = rng.normal(0, 1, count + len(kernel) - 1)
    return np.convolve(noise, kernel / np.sqrt((kernel**2).sum()), mode="valid")


def _bump(hour: Ints, at: float, width: float) -> Floats:
    """A hill of height 1 over the hours of the day round `at`."""
    away = (hour - at + 12) % 24 - 12
    return np.asarray(np.exp(-((away / width) ** 2)))


def _air(station: Station, w: _Weather, rng: np.random.Generator) -> Series:
    hour = w.hour_of_day
    rush = _bump(hour, 8, 2.0) + 1.2 * _bump(hour, 19, 2.6)
    washed = np.exp(-np.minimum(np.convolve(w.rain_mm, np.ones(6), mode="same"), 12) / 12)
    site = rng.normal(0, 0.07)
    noise = 0.14 * _walk(rng, HOURS, 4.0)
    dust = np.exp(np.log(19 + 34 * w.winter) + 0.42 * w.stagnant + 0.10 * rush + site + noise) * (
        0.55 + 0.45 * washed
    )
    pm10 = dust * (1.35 + 0.12 * _walk(rng, HOURS, 12.0)) + 9 + 6 * rush
    no2 = np.exp(
        np.log(11 + 15 * w.winter)
        + 0.28 * w.stagnant
        + 0.38 * rush
        - 0.35 * _bump(hour, 14, 4)
        + site
        + noise
    )
    sun = _bump(hour, 15, 4.5) * np.clip(w.warmth, 0, 36) / 30
    ozone = np.clip(
        36 + 140 * sun * (0.7 + 0.3 * washed) - 0.45 * (no2 - 15) + 14 * noise + 6 * w.stagnant * sun, 3, None
    )
    values = [
        _whole(dust, 2),
        _whole(pm10, 5),
        _whole(5.5 + 4 * w.winter + 1.4 * w.stagnant + 1.2 * rush + rng.normal(0, 0.8, HOURS), 2),
        _whole(no2, 2),
        _decimals(
            np.clip(0.38 + 0.35 * w.winter + 0.13 * w.stagnant + 0.12 * rush + 0.05 * noise, 0.2, None), 1
        ),
        _whole(ozone, 2),
    ]
    values = [np.where(rng.random(HOURS) < 0.003, "", v) for v in values]
    return _with_gaps(station, np.arange(HOURS), values, rng)


def _water(station: Station, w: _Weather, rng: np.random.Generator) -> Series:
    hour = np.arange(0, HOURS, 4)
    flush = np.convolve(w.rain_mm, np.ones(36), mode="full")[:HOURS][hour] / 40
    warm = w.warmth[hour]

    def slow(memory: float) -> Floats:
        return _walk(rng, len(hour), memory)

    saturation = 468.0 / (31.6 + warm)
    day = _bump(hour % 24, 15, 5.0)
    values = [
        _decimals(7.75 + 0.13 * slow(60) + 0.16 * day - 0.08 * flush, 2),
        _decimals(np.clip(saturation * (0.82 + 0.08 * day + 0.045 * slow(40)) - 0.4 * flush, 2.5, None), 2),
        _decimals(np.clip(2.5 + 0.35 * slow(80) + 0.9 * flush, 1.0, None), 2),
        _decimals(np.exp(np.log(0.18) + 0.35 * slow(60) + 0.45 * flush), 3),
        _decimals(np.exp(np.log(0.055) + 0.22 * slow(80) + 0.40 * flush), 3),
    ]
    return _with_gaps(station, hour, values, rng)


def _noise(station: Station, w: _Weather, rng: np.random.Generator) -> Series:
    hour = w.hour_of_day
    awake = 1 / (1 + np.exp(-(hour - 6.0) * 1.3)) * (1 - 1 / (1 + np.exp(-(hour - 22.3) * 1.1)))
    level = 45.5 + rng.uniform(-1.5, 3.5) + 10.5 * awake + 2.2 * (_bump(hour, 8, 1.6) + _bump(hour, 18, 2.0))
    level = level + 0.9 * np.minimum(w.rain_mm, 6) ** 0.5 + rng.normal(0, 1.0, HOURS)
    return _with_gaps(station, np.arange(HOURS), [_decimals(level, 1)], rng)


def _rainfall(station: Station, w: _Weather, rng: np.random.Generator) -> Series:
    caught = w.rain_mm * rng.gamma(12.0, 1 / 12.0, HOURS)
    tenths = np.round(caught * 2) / 2  # a tipping bucket counts halves of a millimetre
    hour = np.flatnonzero(tenths > 0)
    return Series(station, hour, [_decimals(tenths[hour], 1)])


def _with_gaps(station: Station, hour: Ints, values: list[Texts], rng: np.random.Generator) -> Series:
    """The series less the hours a station was silent, a few in a row each time."""
    silent = np.zeros(len(hour), dtype=bool)
    for start in np.flatnonzero(rng.random(len(hour)) < GAP_SHARE / 6).tolist():
        silent[start : start + int(rng.integers(1, 12))] = True
    return Series(station, hour[~silent], [v[~silent] for v in values])


def _whole(values: Floats, least: int) -> Texts:
    return np.maximum(np.round(values), least).astype(np.int64).astype(str)


def _decimals(values: Floats, places: int) -> Texts:
    return np.char.mod(f"%.{places}f", values)


_MAKERS = {"air": _air, "surface_water": _water, "noise": _noise, "rain_gauge": _rainfall}
