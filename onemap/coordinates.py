"""`onemap coordinates`: the city-local systems that are kept, and their parameters from control points."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gis.crs import describe, read_crs
from gis.errors import GisError
from gis.local_systems import Axis, Convention, Datum, Plane, fit_datum, fit_plane
from importers.encoding import find_encoding, with_byte_order_mark
from importers.local_systems import read_systems
from layers.errors import BadRequest
from onemap.settings import Settings
from onemap.terminal import out, say

COLUMNS = ("name", "x", "y", "to_x", "to_y")
HEIGHTS = ("h", "to_h")
_CHINESE = {
    "点名": "name", "点号": "name", "源x": "x", "源y": "y", "目标x": "to_x", "目标y": "to_y",
    "源h": "h", "目标h": "to_h",
}  # fmt: skip


class _Points(NamedTuple):
    names: list[str]
    source: NDArray[np.float64]
    target: NDArray[np.float64]
    heights: tuple[NDArray[np.float64], NDArray[np.float64]]


def print_systems(settings: Settings) -> None:
    """Prints the systems in the operator's file; parameters only of those that are not secret."""
    path = settings.local_systems_file
    systems = read_systems(path)
    if not systems:
        out.print(say(f"{path} 中没有地方坐标系", f"no local system in {path}"), markup=False)
    for system in systems.values():
        kind = (
            say("四参数", "4 parameters") if isinstance(system.by, Plane) else say("七参数", "7 parameters")
        )
        error = "?" if system.error_m is None else f"{system.error_m:g}"
        line = f"local:{system.name}  {system.title}  {kind}  {describe(system.crs)}  ± {error} m"
        out.print(line, markup=False)
        shown = say("参数保密", "parameters secret") if system.is_secret else _parameters(system.by)
        out.print(f"  {shown}", markup=False)


def fit(
    path: Path, *, to: str | None, from_: str | None, x_is: Axis, convention: Convention, name: str
) -> None:
    """Prints the parameters that fit control points best, what is left at each, and an entry to keep.

    `to`: the plane that 4 parameters lead to; else `from_`: the system that 7 parameters lead from.
    """
    points = _read(path)
    try:
        if to is not None:
            crs = read_crs(to)
            _check_projected(to, crs.is_projected)
            plane, left = fit_plane(_ordered(points.source, x_is), _ordered(points.target, x_is), x_is=x_is)
            by: Plane | Datum = plane
            head = [f'to = "{to}"', f'x_is = "{x_is}"']
            spare = 2 * len(points.names) - 4
        else:
            assert from_ is not None
            crs = read_crs(from_)
            by, left = fit_datum(
                points.source, points.target, crs, convention=convention, heights=points.heights
            )
            head = [f'from = "{from_}"', f'convention = "{convention}"']
            spare = 3 * len(points.names) - 7
    except GisError as error:
        raise BadRequest(
            error.zh, error.en, field="points", value=path.name, expected=str(error.facts.get("expected"))
        ) from error
    _print_residuals(points.names, left, spare)
    length = np.sqrt((left**2).sum() / spare) if spare > 0 else None
    entry = [f'["{name}"]', *head, *_lines(by)]
    if length is not None:
        entry.append(f"error_m = {max(float(length), 0.001):.3f}")
    out.print("\n".join(["", *entry]), markup=False, highlight=False)


def _print_residuals(names: Sequence[str], left: NDArray[np.float64], spare: int) -> None:
    """What is left at each point, the largest and the mean square error."""
    lengths = np.sqrt((left**2).sum(axis=1))
    parts_zh, parts_en = ("东 北", "east, north") if left.shape[1] == 2 else ("ΔX ΔY ΔZ", "ΔX, ΔY, ΔZ")
    title = say(f"点名  残差 {parts_zh}  长度 (m)", f"point, residuals {parts_en}, length (m)")
    out.print(title, markup=False)
    for name, parts, length in zip(names, left, lengths, strict=True):
        shown = "  ".join(f"{value:+.4f}" for value in parts)
        out.print(f"  {name}  {shown}  {length:.4f}", markup=False, highlight=False)
    if spare <= 0:
        out.print(
            say(
                "控制点刚好够用，没有多余观测：残差为零不说明精度",
                "just enough points and none to check by: residuals of zero say nothing of the accuracy",
            ),
            markup=False,
        )
        return
    error = float(np.sqrt((left**2).sum() / spare))
    worst = names[int(lengths.argmax())]
    out.print(
        say(
            f"单位权中误差 {error:.4f} m（多余观测 {spare}），最大残差 {lengths.max():.4f} m，在 {worst}",
            f"standard error {error:.4f} m ({spare} to spare), largest residual {lengths.max():.4f} m"
            f" at {worst}",
        ),
        markup=False,
    )


def _lines(by: Plane | Datum) -> list[str]:
    """The parameters as lines of TOML, to a tenth of a millimetre over a city."""
    if isinstance(by, Plane):
        values: Mapping[str, str] = {
            "dx_m": f"{by.dx_m:.5f}", "dy_m": f"{by.dy_m:.5f}", "rotation_s": f"{by.rotation_s:.8f}",
            "scale": f"{by.scale:.13f}",
        }  # fmt: skip
    else:
        values = {
            key: f"{getattr(by, key):.8f}"
            for key in ("dx_m", "dy_m", "dz_m", "rx_s", "ry_s", "rz_s", "scale_ppm")
        }
    return [f"{key} = {value}" for key, value in values.items()]


def _parameters(by: Plane | Datum) -> str:
    return "  ".join(line.replace(" = ", "=") for line in _lines(by))


def _ordered(points: NDArray[np.float64], x_is: Axis) -> NDArray[np.float64]:
    """Points of x and y as easting and northing."""
    return points if x_is == "east" else points[:, ::-1]


def _check_projected(text: str, is_projected: bool) -> None:
    if not is_projected:
        raise BadRequest(
            f"“{text}”不是平面坐标系",
            f"{text!r} is no projected system",
            field="to",
            value=text,
            expected="EPSG:4548",
        )


def _read(path: Path) -> _Points:
    """The control points of a CSV file; raises `BadRequest` naming the row."""
    if not path.is_file():
        raise BadRequest(
            f"没有文件 {path.name}",
            f"there is no file {path.name}",
            field="points",
            value=path.name,
            expected="CSV",
        )
    raw = path.read_bytes()
    found = with_byte_order_mark(raw[:4]) or find_encoding(
        path.name, lambda: iter([raw]), lambda: enumerate(raw.splitlines(), start=1)
    )
    rows = list(csv.reader(raw.decode(found.value, "replace").splitlines()))
    header = [_CHINESE.get(cell.strip().lower(), cell.strip().lower()) for cell in rows[0]] if rows else []
    if any(column not in header for column in COLUMNS):
        raise BadRequest(
            "控制点表应有列：name, x, y, to_x, to_y（或 点名, 源X, 源Y, 目标X, 目标Y）",
            "a table of control points has the columns name, x, y, to_x, to_y",
            field="points",
            value=", ".join(header),
            expected=", ".join(COLUMNS),
        )
    names, numbers = [], []
    wanted = [*COLUMNS[1:], *(c for c in HEIGHTS if c in header)]
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        told = dict(zip(header, row, strict=False))
        try:
            numbers.append([float(told[column]) for column in wanted])
        except (KeyError, ValueError) as error:
            raise BadRequest(
                f"第 {number} 行的坐标不是数字",
                f"row {number}: the coordinates are not numbers",
                field="points",
                value=f"row {number}",
                expected=", ".join(wanted),
            ) from error
        names.append(told["name"])
    table = np.array(numbers, dtype=np.float64).reshape(-1, len(wanted))
    flat = np.zeros(len(table))
    by_name = {column: table[:, i] for i, column in enumerate(wanted)}
    heights = (by_name.get("h", flat), by_name.get("to_h", flat))
    return _Points(names, table[:, :2], table[:, 2:4], heights)
