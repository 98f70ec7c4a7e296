"""Arrow arrays of a stranger's file as the few plain types that matching understands."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc


def plain(array: pa.Array) -> pa.Array:
    """The same values as string, bool, int64, float64, date32, timestamp or, for anything else, text.

    Lists and structures become JSON text, times of day ISO text, binary becomes hexadecimal.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_string(kind):
        return _legible(array)
    if pa.types.is_boolean(kind) or pa.types.is_timestamp(kind):
        return array
    if pa.types.is_integer(kind):
        return array.cast(pa.int64(), safe=kind != pa.uint64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    if pa.types.is_date(kind):
        return array.cast(pa.date32())
    if pa.types.is_large_string(kind) or pa.types.is_time(kind):
        return array.cast(pa.string())
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    return pa.array([_as_text(value) for value in array.to_pylist()], pa.string())


def _legible(array: pa.Array) -> pa.Array:
    """A text column in which bytes that are no UTF-8 became the replacement character (�)."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = array.view(pa.binary()).to_pylist()
        return pa.array([None if r is None else r.decode(errors="replace") for r in raw], pa.string())
    return array


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, ensure_ascii=False, default=str)


def decoded(text: str, encoding: str | None) -> str:
    """`text` that was read byte by byte (Latin-1) as what it is in `encoding`; cut characters are dropped."""
    return text if encoding is None else text.encode("latin-1").decode(encoding, errors="ignore")


def decoded_array(array: pa.Array, encoding: str) -> tuple[pa.Array, int]:
    """A text column that was read byte by byte as what it is in `encoding`, and how many values lost a cut
    character. Other columns come back as they are.
    """
    if not pa.types.is_string(array.type) or pc.all(pc.string_is_ascii(array)).as_py() is not False:
        return array, 0
    encoded = array.dictionary_encode()
    raw = [text.encode("latin-1") for text in encoded.dictionary.to_pylist()]
    texts = _decoded_at_once(raw, encoding)
    cut = 0
    if texts is None:
        texts, is_cut = _decoded_singly(raw, encoding)
        cut = pc.sum(pa.array(is_cut, pa.bool_()).take(encoded.indices)).as_py() or 0
    return pa.array(texts, pa.string()).take(encoded.indices), cut


def _decoded_at_once(raw: list[bytes], encoding: str) -> list[str] | None:
    """All texts by one call, several times as fast as each by its own; None where one of them needs care."""
    try:
        texts = b"\n".join(raw).decode(encoding).split("\n")
    except UnicodeDecodeError:
        return None
    return texts if len(texts) == len(raw) else None


def _decoded_singly(raw: list[bytes], encoding: str) -> tuple[list[str], list[bool]]:
    """Each text without what cannot be decoded, and whether there was such."""
    texts, is_cut = [], []
    for one in raw:
        texts.append(one.decode(encoding, errors="ignore"))
        try:
            one.decode(encoding)
        except UnicodeDecodeError:
            is_cut.append(True)
        else:
            is_cut.append(False)
    return texts, is_cut


def is_text(kind: pa.DataType) -> bool:
    """True for the one text type that `plain` gives."""
    return bool(pa.types.is_string(kind))


def trimmed(array: pa.Array) -> pa.Array:
    """A text column without white space at both ends (also the ideographic space)."""
    return pc.utf8_trim_whitespace(array)
