"""Environmental noise limits, GB 3096-2008 Table 1, dB(A): equivalent level by day (06–22) and by night.

Confidence: known.
"""

from __future__ import annotations

from typing import NamedTuple


class NoiseLimit(NamedTuple):
    """声环境功能区: class and the limits in dB(A)."""

    code: str
    day: int
    night: int


LIMITS = (
    NoiseLimit("0", 50, 40),
    NoiseLimit("1", 55, 45),
    NoiseLimit("2", 60, 50),
    NoiseLimit("3", 65, 55),
    NoiseLimit("4a", 70, 55),
    NoiseLimit("4b", 70, 60),
)

NIGHT_PEAK_DB = 15
"""A sudden noise by night may exceed the limit by no more than this."""
