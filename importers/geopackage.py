"""What a GeoPackage says of itself beside its rows: the code lists of its schema extension.

OGC 12-128r19, annex F.9.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

MOST_CODES = 100_000
MOST_STEPS = 50_000_000
"""Of SQLite's machine, some seconds: a stranger's file may have a view where a table is expected."""
_ENUMS = """
SELECT constraint_name, value, description FROM gpkg_data_column_constraints
WHERE constraint_type = 'enum' AND value IS NOT NULL AND description IS NOT NULL
"""


def code_lists(path: Path) -> dict[str, dict[str, str]]:
    """Name of each enumeration → code → its title; none where there are none or they cannot be read."""
    found: dict[str, dict[str, str]] = {}
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as database:
            database.set_progress_handler(lambda: 1, MOST_STEPS)
            for name, code, title in database.execute(_ENUMS).fetchmany(MOST_CODES):
                found.setdefault(str(name), {})[str(code)] = str(title)
    except sqlite3.Error:
        return {}
    return found
