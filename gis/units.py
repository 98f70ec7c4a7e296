"""Units as people write them, and what a number is multiplied by to come from one to another."""

from __future__ import annotations

import unicodedata

METRES = {
    "m": 1.0, "米": 1.0, "公尺": 1.0, "km": 1000.0, "千米": 1000.0, "公里": 1000.0, "dm": 0.1, "分米": 0.1,
    "cm": 0.01, "厘米": 0.01, "mm": 0.001, "毫米": 0.001, "ft": 0.3048,
}  # fmt: skip
SQUARE_METRES = {
    "m2": 1.0, "m²": 1.0, "㎡": 1.0, "平方米": 1.0, "平米": 1.0, "亩": 10_000 / 15, "公顷": 10_000.0,
    "ha": 10_000.0, "hm2": 10_000.0, "km2": 1e6, "km²": 1e6, "平方千米": 1e6, "平方公里": 1e6,
}  # fmt: skip
MICROGRAMS_PER_CUBIC_METRE = {
    "ug/m3": 1.0, "μg/m3": 1.0, "µg/m3": 1.0, "微克/立方米": 1.0, "mg/m3": 1000.0, "毫克/立方米": 1000.0,
}  # fmt: skip
MILLIGRAMS_PER_LITRE = {
    "mg/l": 1.0,
    "毫克/升": 1.0,
    "ug/l": 0.001,
    "μg/l": 0.001,
    "µg/l": 0.001,
    "g/l": 1000.0,
}
SCALES = (METRES, SQUARE_METRES, MICROGRAMS_PER_CUBIC_METRE, MILLIGRAMS_PER_LITRE)
"""One table per quantity: what one unit is in the quantity's first unit."""


def factor(written: str | None, unit: str | None) -> float | None:
    """What a number with the unit `written` is multiplied by to be in `unit`; None if they do not agree.

    >>> factor("mm", "m"), factor("m", "m"), factor("kg", "m"), factor(None, "m"), factor("mg/m³", "ug/m3")
    (0.001, 1.0, None, 1.0, 1000.0)
    """
    if not written:
        return 1.0
    if unit is None:
        return None
    said, wanted = _plain(written), _plain(unit)
    if said == wanted:
        return 1.0
    for scale in _scales():
        if said in scale and wanted in scale:
            return scale[said] / scale[wanted]
    return None


def _plain(unit: str) -> str:
    return "".join(unicodedata.normalize("NFKC", unit).casefold().replace("^", "").split())


def _scales() -> list[dict[str, float]]:
    return [{_plain(unit): size for unit, size in scale.items()} for scale in SCALES]
