"""The quality check (质检): what is wrong with a layer's rows, said before anything is published.

    checker = Checker(layer, surroundings, options)
    for rows in batches:
        has_error = checker.feed(rows)
    report = checker.finish()

Reading files, matching columns and publishing are left to the rest of `importers`. Nothing here waits on a
database but `published` (loads the surroundings) and `run`.
"""

from importers.check.checker import Checker, check, rules_for
from importers.check.model import CheckOptions, Finding, Rows, Rule
from importers.check.report import CheckReport
from importers.check.surroundings import Places, Surroundings

__all__ = [
    "CheckOptions",
    "CheckReport",
    "Checker",
    "Finding",
    "Places",
    "Rows",
    "Rule",
    "Surroundings",
    "check",
    "rules_for",
]
