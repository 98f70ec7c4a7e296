"""The findings of a quality check as GeoJSON, for the map. EPSG:4490, longitude first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from importers.check.report import CheckReport, to_geojson


def findings_geojson(reports: Sequence[CheckReport]) -> dict[str, Any]:
    """One feature per finding that has a place; how many have none is said beside them."""
    features: list[dict[str, Any]] = []
    placeless = 0
    for report in reports:
        for finding in report.findings:
            geometry = to_geojson(finding)
            if geometry is None:
                placeless += 1
                continue
            tally = report.tally(finding.rule)
            features.append(
                {
                    "type": "Feature",
                    "id": len(features) + 1,
                    "geometry": geometry,
                    "properties": {
                        "layer": report.layer_id,
                        "rule": finding.rule,
                        "title": tally.rule.title._asdict(),
                        "severity": tally.rule.severity,
                        "row": finding.row,
                        "key": finding.key,
                        "field": finding.field,
                        "value": finding.value,
                        "zh": finding.zh,
                        "en": finding.en,
                    },
                }
            )
    return {"type": "FeatureCollection", "features": features, "without_place": placeless}
