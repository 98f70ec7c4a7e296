"""How a raster is to be drawn, as query parameters of routes that write addresses of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Query

from tiles.raster_look import COLORMAPS, EXPRESSIONS, RELIEF, SIZES

DESCRIPTIONS: Mapping[str, str] = {
    "render": "画法 What to draw: auto, " + ", ".join((*RELIEF, *EXPRESSIONS)),
    "bands": "波段号 Band numbers, e.g. 4,3,2",
    "rescale": "拉伸 Values that become black and white: low,high",
    "colormap": "色带 " + ", ".join(COLORMAPS),
    "azimuth": "光源方位角（度） Sun's azimuth, render=hillshade",
    "altitude": "光源高度角（度） Sun's altitude, render=hillshade",
    "z_factor": "垂直夸大 Vertical exaggeration, render=hillshade",
    "resampling": "重采样 nearest, bilinear, cubic, average",
    "size": "像素边长 Pixels along a side: " + ", ".join(map(str, SIZES)),
}


def _said(name: str) -> object:
    return Query(description=DESCRIPTIONS[name])


async def look_parameters(
    render: Annotated[str | None, _said("render")] = None,
    bands: Annotated[str | None, _said("bands")] = None,
    rescale: Annotated[str | None, _said("rescale")] = None,
    colormap: Annotated[str | None, _said("colormap")] = None,
    azimuth: Annotated[str | None, _said("azimuth")] = None,
    altitude: Annotated[str | None, _said("altitude")] = None,
    z_factor: Annotated[str | None, _said("z_factor")] = None,
    resampling: Annotated[str | None, _said("resampling")] = None,
    size: Annotated[str | None, _said("size")] = None,
) -> Mapping[str, str]:
    """Those that are given; `tiles.raster_look` checks them against the raster."""
    given = {
        "render": render,
        "bands": bands,
        "rescale": rescale,
        "colormap": colormap,
        "azimuth": azimuth,
        "altitude": altitude,
        "z_factor": z_factor,
        "resampling": resampling,
        "size": size,
    }
    return {name: value for name, value in given.items() if value is not None}


LookDep = Annotated[Mapping[str, str], Depends(look_parameters)]
