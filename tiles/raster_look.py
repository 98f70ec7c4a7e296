"""How a raster is to be drawn: what a request may say, checked against the file, every default filled in.

Nothing a caller writes is evaluated: band arithmetic is chosen by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from layers.errors import BadRequest
from layers.model import RasterFile

Values = NDArray[np.float64]
Format = Literal["png", "webp"]
Resampling = Literal["nearest", "bilinear", "cubic", "average"]

PARAMETERS = (
    "render", "bands", "rescale", "colormap", "azimuth", "altitude", "z_factor", "resampling", "size",
)  # fmt: skip
"""Query parameters that say how to draw."""
OWN_RAMPS: Mapping[str, tuple[tuple[float, int, int, int], ...]] = {
    "relief": (
        (0.0, 118, 158, 116), (0.2, 160, 188, 132), (0.45, 222, 214, 164), (0.7, 196, 164, 124),
        (0.9, 166, 138, 118), (1.0, 240, 238, 234),
    )
}  # fmt: skip
"""Colour maps of our own: share of the range, red, green, blue. Land from plain to peak, no sea."""
COLORMAPS = (
    *OWN_RAMPS, "gray", "viridis", "plasma", "inferno", "magma", "cividis", "turbo", "terrain", "gist_earth",
    "rdylgn", "rdbu_r", "spectral", "blues", "greens", "ylgn", "ylorrd",
)  # fmt: skip
SIZES = (256, 512)
"""Pixels along a tile's side."""
RELIEF = ("hillshade", "terrarium", "mapbox")
"""What is drawn from heights, one band."""


@dataclass(frozen=True)
class Expression:
    """Band arithmetic with a name: of `roles`, giving values that are shown from `least` to `most`."""

    zh: str
    en: str
    roles: tuple[str, ...]
    compute: Callable[..., Values]
    least: float
    most: float
    colormap: str


def _difference_over_sum(a: Values, b: Values) -> Values:
    return np.asarray((a - b) / (a + b))


EXPRESSIONS: Mapping[str, Expression] = {
    "ndvi": Expression(
        "归一化植被指数", "vegetation (NDVI)", ("nir", "red"), _difference_over_sum, -0.2, 0.9, "rdylgn"
    ),
    "gndvi": Expression(
        "绿光植被指数", "vegetation (green NDVI)", ("nir", "green"), _difference_over_sum, -0.2, 0.9, "rdylgn"
    ),
    "ndwi": Expression(
        "归一化水体指数", "water (NDWI)", ("green", "nir"), _difference_over_sum, -0.5, 0.5, "blues"
    ),
    "vari": Expression(
        "可见光植被指数", "vegetation from visible light (VARI)", ("green", "red", "blue"),
        lambda green, red, blue: np.asarray((green - red) / (green + red - blue)), -0.5, 0.5, "rdylgn",
    ),
}  # fmt: skip
"""The allow-list of band arithmetic."""
ROLE_BANDS: Mapping[str, int] = {"red": 1, "green": 2, "blue": 3, "nir": 4}
"""Where a colour stands when no band is called so: the order of four-band aerial images."""


@dataclass(frozen=True)
class Look:
    """`render` is `colour` (bands as they are), `mapped` (one band through a colour map), `palette` (the
    file's own colours), an expression or one of `RELIEF`. `rescale`: what becomes black and white, by band.
    """

    render: str
    bands: tuple[int, ...]
    rescale: tuple[tuple[float, float], ...] = ()
    colormap: str | None = None
    azimuth: float = 315.0
    altitude: float = 45.0
    z_factor: float = 1.0
    resampling: Resampling = "bilinear"
    size: int = 256

    @property
    def key(self) -> str:
        """What names the look in a cache: equal looks draw equally."""
        return repr(self)


def read_look(raster: RasterFile, given: Mapping[str, str]) -> Look:
    """The look that the parameters `given` ask for. Raises `BadRequest` naming parameter, value, expected.

    Without parameters: an image in its colours, heights and values through a colour map over their range,
    classes in the file's palette.
    """
    kinds = ("auto", *RELIEF, *EXPRESSIONS)
    render = _one_of(given, "render", kinds, "auto")
    bands = _bands(raster, given)
    size = int(_one_of(given, "size", tuple(str(size) for size in SIZES), "256"))
    smooth: Resampling = "nearest" if raster.meaning == "classes" else "bilinear"
    resampling = cast(Resampling, _one_of(given, "resampling", get_args(Resampling), smooth))
    if render in RELIEF:
        look = _relief(raster, render, bands, given)
    else:
        _refuse(given, ("azimuth", "altitude", "z_factor"), "render=hillshade")
        plain = render not in EXPRESSIONS
        look = _plain(raster, bands, given) if plain else _expression(raster, render, bands, given)
    return _with(look, resampling=resampling, size=size)


@lru_cache(maxsize=1_000)
def common_looks(raster: RasterFile) -> frozenset[Look]:
    """The looks that many ask for: each way to draw in each size, with every number at its default."""
    looks = set()
    for render in ("auto", *RELIEF, *EXPRESSIONS):
        for size in SIZES:
            with suppress(BadRequest):  # not of this raster
                looks.add(read_look(raster, {"render": render, "size": str(size)}))
    return frozenset(looks)


def _with(look: Look, **changed: Any) -> Look:
    return Look(**{**look.__dict__, **changed})


def _relief(raster: RasterFile, render: str, bands: tuple[int, ...], given: Mapping[str, str]) -> Look:
    if raster.meaning not in ("elevation", "values"):
        raise _wrong(
            "render", render, "a layer of heights", "该图层不是高程数据", "the layer holds no heights"
        )
    _refuse(given, ("rescale", "colormap"), "no relief")
    if render != "hillshade":
        _refuse(given, ("azimuth", "altitude", "z_factor"), "render=hillshade")
    chosen = bands[:1] or (1,)
    return Look(
        render,
        chosen,
        azimuth=_number(given, "azimuth", 0, 360, 315.0),
        altitude=_number(given, "altitude", 0, 90, 45.0),
        z_factor=_number(given, "z_factor", 0.01, 100, 1.0),
    )


def _expression(raster: RasterFile, render: str, bands: tuple[int, ...], given: Mapping[str, str]) -> Look:
    expression = EXPRESSIONS[render]
    chosen = bands or tuple(_band_of(raster, role, render) for role in expression.roles)
    if len(chosen) != len(expression.roles):
        raise _wrong(
            "bands",
            given["bands"],
            ",".join(expression.roles),
            f"{render} 需要 {len(expression.roles)} 个波段",
            f"{render} takes {len(expression.roles)} bands",
        )
    spans = _rescale(given, 1) or ((expression.least, expression.most),)
    return Look(render, chosen, spans, _colormap(given) or expression.colormap)


def _plain(raster: RasterFile, bands: tuple[int, ...], given: Mapping[str, str]) -> Look:
    colormap = _colormap(given)
    default = (1, 2, 3) if raster.meaning == "image" and len(raster.bands) >= 3 and not colormap else (1,)
    chosen = bands or default
    if len(chosen) not in (1, 3) or (colormap and len(chosen) != 1):
        raise _wrong(
            "bands",
            given.get("bands", ""),
            "one band, or three without a colour map",
            "波段数有误",
            "that many bands make no picture",
        )
    said = _rescale(given, len(chosen))
    if raster.meaning == "classes" and len(chosen) == 1 and not colormap and not said:
        return Look("palette", chosen)
    spans = said or tuple(_span(raster, band) for band in chosen)
    if len(chosen) == 3 or (raster.meaning == "image" and not colormap):
        return Look("colour", chosen, spans)
    return Look("mapped", chosen, spans, colormap or _usual_colormap(raster))


def _usual_colormap(raster: RasterFile) -> str:
    return {"elevation": "relief", "image": "gray"}.get(raster.meaning, "viridis")


def _span(raster: RasterFile, number: int) -> tuple[float, float]:
    """What becomes black and white: bytes of an image as they are, all else by the band's values."""
    band = raster.bands[number - 1]
    if band.type == "uint8" and raster.meaning == "image":
        return 0.0, 255.0
    low, high = (band.least, band.most) if raster.meaning == "elevation" else (band.low, band.high)
    if low is None or high is None:
        return 0.0, 1.0
    return (low, high) if high > low else (low, low + 1.0)


def _band_of(raster: RasterFile, role: str, render: str) -> int:
    for number, band in enumerate(raster.bands, start=1):
        if band.title.lower() == role:
            return number
    number = ROLE_BANDS[role]
    if number > len(raster.bands):
        raise _wrong(
            "render",
            render,
            f"a band called {role}, or bands={','.join(EXPRESSIONS[render].roles)} as numbers",
            f"找不到 {role} 波段",
            f"there is no {role} band",
        )
    return number


def _bands(raster: RasterFile, given: Mapping[str, str]) -> tuple[int, ...]:
    text = given.get("bands")
    if text is None:
        return ()
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 4]
    if len(numbers) != len(parts) or len(parts) > 4 or not all(1 <= n <= len(raster.bands) for n in numbers):
        raise _wrong("bands", text, f"numbers from 1 to {len(raster.bands)}", "没有这些波段", "no such bands")
    return tuple(numbers)


def _rescale(given: Mapping[str, str], bands: int) -> tuple[tuple[float, float], ...]:
    """Pairs of values, one for all bands or one each; empty where nothing is said."""
    text = given.get("rescale")
    if text is None:
        return ()
    expected = "low,high" if bands == 1 else f"low,high, or {bands} such pairs"
    try:
        numbers = [float(part) for part in text.split(",")[: 2 * bands + 1]]
    except ValueError:
        numbers = []
    pairs = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    fits = len(numbers) in (2, 2 * bands) and all(isfinite(n) for n in numbers)
    if not fits or not all(low < high for low, high in pairs):
        raise _wrong("rescale", text, expected, "拉伸范围有误", "that is no range")
    return pairs if len(pairs) == bands else pairs * bands


def _colormap(given: Mapping[str, str]) -> str | None:
    return _one_of(given, "colormap", COLORMAPS, "") or None


def _number(given: Mapping[str, str], name: str, least: float, most: float, default: float) -> float:
    text = given.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise _wrong(name, text, f"a number from {least:g} to {most:g}", "数值有误", "out of range")
    return number


def _one_of(given: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    text = given.get(name, default)
    if text != default and text not in choices:
        raise _wrong(name, text, ", ".join(choices), "没有这个选项", "there is no such choice")
    return text


def _refuse(given: Mapping[str, str], names: Sequence[str], expected: str) -> None:
    for name in names:
        if name in given:
            raise _wrong(name, given[name], f"only with {expected}", "此处不适用", "does not apply here")


def _wrong(field: str, value: str, expected: str, zh: str, en: str) -> BadRequest:
    return BadRequest(f"{field}：{zh}", f"{field}: {en}", field=field, value=value, expected=expected)
