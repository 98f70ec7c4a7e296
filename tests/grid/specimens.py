"""Small grids with trouble in them."""

from __future__ import annotations

import numpy as np
import shapely

WEST, SOUTH = 116.48, 31.72


def bent_cells(columns: int = 12, rows: int = 10) -> tuple[list[str], np.ndarray]:
    """Cells that tile the ground without gap or overlap, shared borders bent and alike vertex for vertex."""

    def place(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        x = u + 0.15 * np.sin(1.7 * v) + 0.1 * np.sin(0.9 * u + v)
        y = v + 0.12 * np.sin(1.3 * u)
        return np.round(np.column_stack([WEST + 0.001 * x, SOUTH + 0.0009 * y]), 9)

    along = np.linspace(0, 1, 7)[:-1]
    codes, cells = [], []
    for column in range(columns):
        for row in range(rows):
            u = np.concatenate(
                [column + along, np.full(6, column + 1), column + 1 - along, np.full(6, column)]
            )
            v = np.concatenate([np.full(6, row), row + along, np.full(6, row + 1), row + 1 - along])
            codes.append(f"341502001{column:03d}{row:03d}")
            cells.append(shapely.Polygon(place(u.astype(float), v.astype(float))))
    return codes, np.array(cells, dtype=object)


def brute_force(codes: list[str], cells: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """The rule, literally: of the closed cells that cover the point, the one with the smallest code."""
    found = np.full(len(lon), -1)
    for position in sorted(range(len(cells)), key=lambda p: (codes[p], p), reverse=True):
        found[shapely.intersects_xy(cells[position], lon, lat)] = position
    return found
