"""A raster as a person sees it before it is converted: its grid, its bands, where it lies and when it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import shapely

from importers.deliver_raster import RasterPart, own_title, plan_raster
from importers.errors import BadFile
from importers.options import ImportOptions
from importers.raster_picture import drawn_apart
from importers.source import Source
from importers.whereabouts import Looked, look_at_place
from layers.errors import BadRequest
from layers.model import BoundingBox, Layer
from layers.rasters import by_date

_DECIMALS = 7


def look_at_raster(
    source: Source, layers: Mapping[str, Layer], options: ImportOptions, city: BoundingBox | None
) -> tuple[Looked, RasterPart | None, BadFile | BadRequest | None]:
    """Where a raster lies, how it would be delivered, and what stops that.

    Where its place is in doubt, it is planned by the likeliest choice, so that it can be drawn.
    """
    looked = look_at_place(source, replace(options, swapped=None), city)
    straight = [one for one in looked.choices if not one.swapped and one.frame is None]
    taken = looked.taken if looked.taken in straight else None
    looked = looked._replace(choices=straight, taken=taken)
    said = options if taken is None else replace(options, crs=taken.crs)
    trouble: BadFile | BadRequest | None = None
    for tried in (options, said, replace(said, anywhere=True, date=None), replace(said, layer_id=None)):
        try:
            part = plan_raster(source, layers, tried, city)
        except (BadFile, BadRequest) as error:
            trouble = trouble or error
        else:
            return looked, part, trouble
    return looked, None, trouble


def raster_json(part: RasterPart, options: ImportOptions) -> dict[str, Any]:
    """What is told of a planned raster, as members of the table's JSON object."""
    source, pixels, layer = part.source, part.source.pixels, part.layer
    assert pixels is not None
    same = next((one for one in by_date(layer) if one.taken == part.taken.value), None)
    return {
        "kind": "raster",
        "layer": {
            "id": layer.id,
            "title": layer.title._asdict(),
            "geometry_type": None,
            "is_new": layer.version == 0,
            "version": layer.version,
            "evidence": _layer_evidence(part, options),
            "certainty": None,
        },
        "raster": {
            "width": pixels.width,
            "height": pixels.height,
            "bands": [
                {"title": title, "type": kind}
                for title, kind in zip(pixels.titles, pixels.types, strict=True)
            ],
            "has_alpha": pixels.has_alpha,
            "nodata": None if pixels.nodata is None else f"{pixels.nodata:g}",
            "taken": part.taken._asdict(),
            "meaning": part.meaning._asdict(),
            "size_bytes": source.path.stat().st_size,
            "dates": [one.taken for one in by_date(layer)],
            "replaces": None if same is None else same.version,
            "picture": None if source.crs is None else drawn_apart(source.path, pixels, source.crs),
        },
        "preview": _outline(part),
        "bounds": [float(v) for v in part.bounds],
    }


def _layer_evidence(part: RasterPart, options: ImportOptions) -> dict[str, str]:
    if options.layer_id is not None:
        return {"zh": "由导入者指定", "en": "said by the importer"}
    name = own_title(part.source)
    return {"zh": f"按文件名“{name}”", "en": f"by the file's name {name!r}"}


def _outline(part: RasterPart) -> dict[str, Any]:
    ring = np.round(shapely.get_coordinates(part.outline), _DECIMALS).tolist()
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": shape, "properties": {"row": 1}}
    return {"type": "FeatureCollection", "features": [feature]}
