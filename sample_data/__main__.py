"""`python -m sample_data --scale 0.02 --out DIR`: make the sample city at any size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sample_data.city import LEAST_SCALE, MOST_SCALE
from sample_data.make import SCALE, SEED, make_city


def main() -> None:
    """Make a city and print what it holds."""
    parser = argparse.ArgumentParser(prog="sample_data", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument(
        "--scale", type=float, default=SCALE, help=f"{LEAST_SCALE} to {MOST_SCALE}; 1.0 is 120 km²"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--count", action="append", default=[], metavar="LAYER=N", help="e.g. building=500000"
    )
    given = parser.parse_args()
    try:
        counts = {layer: int(number) for layer, number in (text.split("=") for text in given.count)}
        manifest = make_city(given.out, given.scale, given.seed, _print_progress, counts)
    except ValueError as error:
        parser.error(str(error))
    for layer, count in manifest.counts.items():
        print(f"{layer:12} {count:>10,}")
    print(f"{manifest.area_km2} km² → {given.out}")


def _print_progress(stage: str, done: int, total: int) -> None:
    if done < total:
        print(f"{stage} {done}/{total}", file=sys.stderr)


if __name__ == "__main__":
    main()
