"""What every check is handed: the layer, what stands around it, the choices made, the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from importers.check.ledger import Ledger
from importers.check.model import CheckOptions
from importers.check.portion import Portion
from importers.check.surroundings import Surroundings
from layers.model import BoundingBox, Layer


@dataclass(frozen=True)
class Work:
    """One check of one layer."""

    layer: Layer
    surroundings: Surroundings
    options: CheckOptions
    ledger: Ledger

    @cached_property
    def city(self) -> BoundingBox | None:
        """Where the city is: said, or the box of the districts; None if nobody knows."""
        if self.options.bounds is not None:
            return self.options.bounds
        districts = self.surroundings.get("district")
        return districts.bounds if districts is not None and self.layer.id != "district" else None


PortionCheck = Callable[[Portion, Work], None]
"""A check that a batch answers by itself."""


class WholeCheck(Protocol):
    """A check that needs the whole layer: hears every batch, speaks at the end."""

    def feed(self, portion: Portion) -> None: ...

    def finish(self) -> None: ...
