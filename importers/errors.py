"""What can be wrong with a file as a whole. Rows have findings (`importers.report`), not exceptions.

BadData
└── BadFile             one file, what was found in it and what was expected
    ├── UnknownKind     no reader for this kind of file
    ├── EmptyFile       nothing in it
    ├── NotWhatItSays   the content is of another kind than the name says
    ├── MissingPart     a file that belongs to it is not there
    ├── Truncated       it ends before its own header says
    ├── UnsafeArchive   a packed file that would write outside, or burst
    ├── UnsafeFile      a document that asks its reader for something (entities, other files)
    ├── Locked          it has a password
    ├── BadEncoding     its text has no single encoding, or none that can be told
    ├── BadCoordinates  coordinates that are not numbers
    ├── UnknownPlace    its coordinates cannot be placed on the earth
    ├── NoGeometry      a table without coordinates, WKT or anything else to place its rows
    ├── BadTable        no header, columns named twice, a sheet that is not there
    ├── NoMatch         it does not hold what the layer needs
    └── Unreadable      the reader gave up
"""

from __future__ import annotations

from typing import Any

from layers.errors import BadData


class BadFile(BadData):
    """A file that cannot be imported; nothing of it was written.

    `zh` and `en` are whole sentences without the file's name, which is put in front.
    """

    def __init__(self, file: str, zh: str, en: str, *, found: str, expected: str, **facts: Any) -> None:
        super().__init__(
            f"“{file}”：{zh}", f"{file}: {en}", file=file, found=found, expected=expected, **facts
        )


class UnknownKind(BadFile):
    """No reader knows this kind of file."""


class EmptyFile(BadFile):
    """The file or table holds nothing."""


class NotWhatItSays(BadFile):
    """The content is of another kind than the file's name says (a web page named .geojson)."""


class MissingPart(BadFile):
    """A file that belongs to this one is not beside it (.dbf, .shx, the point table of a pipe survey)."""


class Truncated(BadFile):
    """The file ends before its own header says it does."""


class UnsafeArchive(BadFile):
    """A packed file with a path that leads outside, or with more in it than may be unpacked."""


class UnsafeFile(BadFile):
    """A document that would have its reader unfold entities or fetch other files (XXE)."""


class Locked(BadFile):
    """The file is locked with a password."""


class BadEncoding(BadFile):
    """The text is in several encodings, or in none that can be told."""


class BadCoordinates(BadFile):
    """Coordinates that are not numbers, throughout the file."""


class UnknownPlace(BadFile):
    """The coordinates cannot be placed: no reference system, or axes that look exchanged."""


class NoGeometry(BadFile):
    """A table whose rows have no place."""


class BadTable(BadFile):
    """A table without a header, with a column named twice, or a sheet that is not there."""


class NoMatch(BadFile):
    """The file does not hold the fields that the layer needs."""


class Unreadable(BadFile):
    """The reader gave up on the file's content."""
