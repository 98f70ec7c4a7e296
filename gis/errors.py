"""What can go wrong with a place or a code, as pure arithmetic sees it.

    GisError(ValueError)
    ├── UnknownCrs       text that names no coordinate reference system we can read
    ├── InvalidCode      a grid, component, event or administrative code of the wrong shape
    ├── BadPlace         a coordinate that is no place on Earth
    ├── NoSuchSquare     a tile outside its matrix
    └── BadMatrixSet     a file that describes no tile matrix set we can draw in

`zh` and `en` are one sentence each; `facts` name the value and what was expected.
"""

from __future__ import annotations


class GisError(ValueError):
    """A place or a code could not be understood."""

    def __init__(self, zh: str, en: str, **facts: object) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.facts = facts

    def sentence(self, language: str) -> str:
        """The message in `zh` or `en` (anything else: `en`)."""
        return self.zh if language == "zh" else self.en


class UnknownCrs(GisError):
    """The text names no coordinate reference system."""


class InvalidCode(GisError):
    """The code has the wrong length or characters, or is not in the table asked for."""


class BadPlace(GisError):
    """The coordinates are no place on Earth: not a number, infinite, or out of range."""


class NoSuchSquare(GisError):
    """The tile lies outside its matrix or zoom range."""


class BadMatrixSet(GisError):
    """A file of a tile matrix set is none that tiles can be drawn in; `facts` say file, member and value."""
