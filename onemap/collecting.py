"""Python's search for garbage that refers to itself, kept from what stays as long as the process does.

A program and its libraries are hundreds of thousands of objects, and each full search looks at all of them:
a fifth of the processor time of an import of 500,000 rows, which makes hardly any such garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 100_000
"""Objects made before the youngest are searched; Python's 700 is for programs that make few."""


@contextmanager
def loading() -> Iterator[None]:
    """Around what loads the program: not searched while it loads, and passed over by searches after it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(YOUNG, 20, 100)
        gc.enable()
