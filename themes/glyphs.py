"""Letters of the styles as MapLibre takes them (`glyphs`): made from the fonts of this machine.

No font comes with the product: what a machine has is found in the folders where systems keep theirs, a
Chinese one first. What the first font lacks comes from the next. A weight that is not there is made from
the regular one by laying on ink.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

import numpy as np
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTCollection, TTFont, TTLibError

from themes.outlines import Line, depth_of_fill, lines_of_strokes, pixel_centres

Weight = Literal["Regular", "Medium", "Bold"]

SYSTEM_FOLDERS: tuple[Path, ...] = (
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path("/usr/local/share/fonts"),
    Path("/usr/share/fonts"),
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)
FAMILIES = (
    "NotoSansCJK(?:sc)?", "NotoSansSC", "SourceHanSans(?:SC|CN)?", "PingFang", "msyh", "wqy-microhei",
    "wqy-zenhei", "simhei", "NotoSans", "DejaVuSans", "LiberationSans", "Arial",
)  # fmt: skip
"""File names of plain sans fonts, those with Chinese characters first."""
WEIGHTS: dict[str, Weight] = {
    "": "Regular", "regular": "Regular", "vf": "Regular", "[wght]": "Regular",
    "medium": "Medium", "bold": "Bold", "bd": "Bold",
}  # fmt: skip
_FILE = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})[-_]?(?P<weight>regular|vf|\[wght\]|medium|bold|bd)?\.(?:ttf|otf|ttc)",
    re.IGNORECASE,
)
EXTRA_INK_PX: dict[Weight, float] = {"Regular": 0.0, "Medium": 0.25, "Bold": 0.6}
"""How much an outline grows, on each side, where the weight is made from the regular font."""

EM_PX = 24
BORDER_PX = 3
DISTANCE_PX = 8.0
EDGE = 0.75
"""The format's numbers (mapbox/node-fontnik, which MapLibre's reader follows): letters 24 pixels high in a
border of three, 0.75 on the edge, eight pixels from 0 to 1."""
TOLERANCE_PX = 0.05
ASCENT_PX = 26
"""Of the fonts that MapLibre places its lines by; `top` counts from there."""
IN_A_RANGE = 256
LAST_RANGE = 0x10FF00


class Face(NamedTuple):
    """A font that is there: its file, its weight, and its rank among those of `FAMILIES`."""

    file: Path
    weight: Weight
    rank: int


def find_faces(folders: Sequence[Path] = SYSTEM_FOLDERS) -> tuple[Face, ...]:
    """The fonts in `folders` and below that letters may be made from, the best first; the earliest folder's
    where two hold the same."""
    found: dict[tuple[int, Weight], Face] = {}
    for folder in folders:
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            named = _FILE.fullmatch(file.name)
            if named is None or not file.is_file():
                continue
            rank = next(n for n, each in enumerate(FAMILIES) if re.fullmatch(each, named["family"], re.I))
            weight = WEIGHTS[(named["weight"] or "").lower()]
            found.setdefault((rank, weight), Face(file, weight, rank))
    return tuple(sorted(found.values(), key=lambda face: face.rank))


def weight_of(fontstack: str) -> Weight:
    """The weight that the first name of a font stack asks for: "Noto Sans Bold,Arial" is Bold."""
    first = fontstack.partition(",")[0]
    if re.search(r"bold|black|heavy", first, re.IGNORECASE):
        return "Bold"
    return "Medium" if re.search("medium", first, re.IGNORECASE) else "Regular"


class Lettering:
    """Draws letters from `faces`. Not for two threads at once; `close` it, or use it in a `with`."""

    def __init__(self, faces: Sequence[Face]) -> None:
        self.faces = tuple(faces)
        self._stack = ExitStack()
        self._fonts: dict[Path, _Font | None] = {}

    def __repr__(self) -> str:
        return f"Lettering({', '.join(face.file.name for face in self.faces)})"

    def __enter__(self) -> Lettering:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()
        self._fonts.clear()

    def glyphs(self, weight: Weight, start: int) -> bytes:
        """Code points `start` to `start` + 255 as protocol buffers (`glyphs.proto`), those that a font has.

        Takes up to seconds, for 256 Chinese characters. ValueError unless `start` begins a range.
        """
        if start % IN_A_RANGE or not 0 <= start <= LAST_RANGE:
            raise ValueError(f"no range of {IN_A_RANGE} code points begins at {start}")
        order = self._in_order(weight)
        letters: list[bytes] = []
        for code in range(max(start, 32), start + IN_A_RANGE):
            for font, ink in order:
                if code in font.names:
                    letters.append(_field(3, _letter(code, font, ink)))
                    break
        named = f"{start}-{start + IN_A_RANGE - 1}"
        return _field(1, _field(1, weight.encode()) + _field(2, named.encode()) + b"".join(letters))

    def _in_order(self, weight: Weight) -> list[tuple[_Font, float]]:
        """The fonts to look into, one for each family, with the ink to lay on."""
        chosen: dict[int, tuple[Face, float]] = {}
        for face in self.faces:
            if face.weight == weight:
                chosen[face.rank] = face, 0.0
            elif face.weight == "Regular":
                chosen.setdefault(face.rank, (face, EXTRA_INK_PX[weight]))
        opened = ((self._font(face), ink) for _, (face, ink) in sorted(chosen.items()))
        return [(font, ink) for font, ink in opened if font is not None]

    def _font(self, face: Face) -> _Font | None:
        if face.file not in self._fonts:
            try:
                self._fonts[face.file] = _Font(face.file, self._stack)
            except (OSError, TTLibError):
                self._fonts[face.file] = None  # a broken file among the fonts is as good as none
        return self._fonts[face.file]


class _Font:
    """An open font file; of a collection the face for simplified Chinese, if it has one."""

    def __init__(self, file: Path, stack: ExitStack) -> None:
        font = _chinese_face(file, stack) if file.suffix.lower() == ".ttc" else _open(file, 0, stack)
        self.names: dict[int, str] = font.getBestCmap() or {}
        self.shapes = font.getGlyphSet()
        self.scale: float = EM_PX / font["head"].unitsPerEm

    def letter(self, code: int) -> tuple[tuple[Line, ...], float]:
        """Its outline in pixels, y upward from the base line, and how far the next letter is away."""
        pen = DecomposingRecordingPen(self.shapes)
        shape = self.shapes[self.names[code]]
        shape.draw(pen)
        lines = lines_of_strokes(pen.value, TOLERANCE_PX / self.scale)
        return tuple(line * self.scale for line in lines), shape.width * self.scale


def _open(file: Path, number: int, stack: ExitStack) -> TTFont:
    content = stack.enter_context(file.open("rb"))
    return stack.enter_context(TTFont(content, fontNumber=number, lazy=True))


def _chinese_face(file: Path, stack: ExitStack) -> TTFont:
    with TTCollection(file, lazy=True) as collection:
        families = [str(font["name"].getBestFamilyName()) for font in collection.fonts]
    wanted = (n for n, family in enumerate(families) if re.search(r" (SC|GB)$", family))
    return _open(file, next(wanted, 0), stack)


def _letter(code: int, font: _Font, ink: float) -> bytes:
    lines, advance = font.letter(code)
    told = _number(1, code) + _number(7, max(round(advance + ink), 0))
    if not lines:
        return told + _number(3, 0) + _number(4, 0) + _number(5, 0) + _number(6, 0)
    points = np.concatenate(lines)
    left, bottom = (int(n) for n in np.floor(points.min(axis=0) - ink))
    right, top = (int(n) for n in np.ceil(points.max(axis=0) + ink))
    width, height = right - left, top - bottom
    across, down = width + 2 * BORDER_PX, height + 2 * BORDER_PX
    at = pixel_centres(across, down) * (1, -1) + (left - BORDER_PX, top + BORDER_PX)
    depth = (depth_of_fill(lines, at) + ink) / DISTANCE_PX
    field = np.rint(np.clip(EDGE + depth, 0, 1) * 255).astype(np.uint8)
    size = _number(3, width) + _number(4, height)
    place = _number(5, _signed(left)) + _number(6, _signed(top - ASCENT_PX))
    return told + _field(2, field.tobytes()) + size + place


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, text or a message within (protocol buffers, wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _signed(value: int) -> int:
    """As `sint32` travels: small whatever its sign."""
    return value * 2 if value >= 0 else -value * 2 - 1


def _varint(value: int) -> bytes:
    def sevens(rest: int) -> Iterator[int]:
        while rest > 127:
            yield rest & 127 | 128
            rest >>= 7
        yield rest

    return bytes(sevens(value))
