"""Which columns of a table become fields, of which type, and which is the key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from layers.description import RESERVED_NAMES, name_problem
from layers.errors import BadRequest
from layers.model import Field, FieldType, KeyType, Reading, Text
from layers.registration import Finding, Registration
from layers.relation import KEY_COLUMN, RAW_COLUMN
from layers.table_facts import ColumnFacts, TableFacts

MAX_IN_TILES = 8
"""How many fields beside the key travel in tiles: as for a stranger's file."""
SHORT_TEXT = 64
"""Characters; a longer text is not for tiles."""
MAX_TITLE = 60
"""Characters of a column's comment that are taken for its title."""
MAX_CODES = 200
"""Most values of an enumeration that are listed as codes."""

_KEY_TYPES: Mapping[str, KeyType] = {
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("text", "varchar"), "text"),
    "bpchar": "char",
    "uuid": "uuid",
    "numeric": "number",
}
_PLAIN: Mapping[str, tuple[FieldType, Reading]] = {
    **dict.fromkeys(("int2", "int4", "int8"), ("integer", "as is")),
    **dict.fromkeys(("float4", "float8"), ("number", "as is")),
    "bool": ("boolean", "as is"),
    "text": ("text", "as is"),
    "date": ("date", "as time"),
    "timestamptz": ("datetime", "as time"),
    **dict.fromkeys(
        ("varchar", "bpchar", "name", "citext", "uuid", "time", "timetz", "interval", "inet", "cidr"),
        ("text", "as text"),
    ),
}
_LONG = ("json", "jsonb", "hstore", "xml")
"""Given as text to those who ask for them by name: they are long, and not made for reading."""
_VARLENA_HEADER = 4
"""What PostgreSQL adds to the length in a type modifier (VARHDRSZ)."""
_GREATEST_WHOLE_DIGITS = 18
"""Digits that always fit 64 bits."""


class ChosenKey(NamedTuple):
    """`is_unique`: an index of the table says so, nobody has to look."""

    column: str
    type: KeyType
    is_unique: bool


class ChosenFields(NamedTuple):
    """Fields in the table's order, how each is read, and what was decided on the way."""

    fields: tuple[Field, ...]
    reads: Mapping[str, Reading]
    findings: tuple[Finding, ...]


def choose_key(facts: TableFacts, wanted: str | None) -> ChosenKey:
    """The column that names rows: the one wanted, else the primary key, else a unique column without nulls.

    Raises `BadRequest` if the column cannot be one, or if there is none to be found.
    """
    if wanted is not None:
        column = readable_column(facts, wanted, "key")
        return ChosenKey(wanted, key_type_in(facts, column), _is_unique(facts, column))
    if len(facts.primary_key) > 1:
        names = ", ".join(facts.primary_key)
        raise BadRequest(
            f"{facts.title} 的主键由多列组成（{names}），请用 --key 指定一列能唯一标识行的列",
            f"the primary key of {facts.title} has several columns ({names}); name one that tells rows"
            " apart with --key",
            field="key",
            value=names,
            expected="one column whose values are unique",
        )
    alone = [facts.column(columns[0]) for columns in facts.unique if len(columns) == 1]
    for found in alone:
        if found and found.may_read and found.base in _KEY_TYPES and _is_unique(facts, found):
            return ChosenKey(found.name, _KEY_TYPES[found.base], True)
    raise BadRequest(
        f"{facts.title} 没有主键，也没有非空的唯一索引，请用 --key 指定键列",
        f"{facts.title} has no primary key and no unique column without nulls; name the key with --key",
        field="key",
        value="",
        expected=f"one of {', '.join(c.name for c in facts.columns if c.base in _KEY_TYPES)}",
    )


def choose_fields(facts: TableFacts, wanted: Registration, key: str) -> ChosenFields:
    """The columns wanted (all that can be given if none is named) as fields; the key, unless empty, always.

    Raises `BadRequest` for a column that is not there or cannot be given though it was named.
    """
    named = None if wanted.fields is None else set(wanted.fields)
    roles = [n for n in (wanted.name_field, wanted.district_field, wanted.time_field) if n is not None]
    for name in (*(wanted.fields or ()), *wanted.search_fields, *wanted.sensitive, *roles):
        readable_column(facts, name, "fields")
    fields: list[Field] = []
    reads: dict[str, Reading] = {}
    findings: list[Finding] = []
    taken: set[str] = set()
    for column in facts.columns:
        is_named = named is not None and column.name in named
        if is_named and column.base in ("geometry", "geography"):
            raise _cannot_be_given(facts, column, Text("几何不是字段", "a geometry is no field"))
        is_wanted = named is None or is_named or column.name == key
        if column.base in ("geometry", "geography") or not is_wanted:
            continue
        reading = _reading(column, wanted, is_named=is_named)
        problem = _problem(column, taken) or (reading if isinstance(reading, Text) else None)
        if problem is not None:
            if is_named or column.name == key:
                raise _cannot_be_given(facts, column, problem)
            findings.append(_left_out(column, problem))
            continue
        assert not isinstance(reading, Text)
        taken.add(column.name.casefold())
        reads[column.name] = reading[1]
        fields.append(_field(column, reading[0], wanted))
        findings += _remarks(column, reading)
    if key and named is not None and key not in named:
        findings.append(
            Finding("found", Text(f"键列 {key} 随每一行给出", f"the key {key} leaves with every row"))
        )
    return ChosenFields(_with_tiles(fields, facts, wanted, key), reads, tuple(findings))


def _reading(
    column: ColumnFacts, wanted: Registration, *, is_named: bool
) -> tuple[FieldType, Reading] | Text:
    """The field type and how it is read, or why there is none."""
    if column.name == wanted.district_field and column.base in ("int4", "int8", "numeric", "int2"):
        return "text", "as text"  # administrative codes are compared digit by digit
    if column.typtype == "e":
        return "text", "as text"
    if column.base == "numeric":
        return ("integer", "as integer") if _is_whole(column) else ("number", "as number")
    if column.base == "timestamp":
        return ("text", "as text") if wanted.zone is None else ("datetime", "in zone")
    if column.base in _PLAIN:
        return _PLAIN[column.base]
    is_list = column.category == "A"
    if not (is_list or column.base in _LONG):
        return Text(f"类型 {column.type} 没有对应的字段类型", f"there is no field type for {column.type}")
    if not is_named:
        return Text(
            f"类型 {column.type} 只在 --fields 中点名时以文本给出",
            f"{column.type} is given as text only if --fields names it",
        )
    return "text", "as list" if is_list else "as text"


def _problem(column: ColumnFacts, taken: set[str]) -> Text | None:
    if not column.may_read:
        return Text("没有读取权限", "there is no right to read it")
    expected = name_problem(column.name)
    if expected is not None or column.name in {*RESERVED_NAMES, KEY_COLUMN, RAW_COLUMN}:
        return Text("列名不能作为字段名", "its name cannot be a field's")
    if column.name.casefold() in taken:
        return Text("与另一列仅大小写不同", "another column differs in case only")
    return None


def _field(column: ColumnFacts, kind: FieldType, wanted: Registration) -> Field:
    title = (column.comment or "").strip().split("\n")[0][:MAX_TITLE] or column.name
    codes = None
    if column.typtype == "e" and len(column.labels) <= MAX_CODES:
        codes = {label: Text(label, label) for label in column.labels}
    has_length = column.base in ("varchar", "bpchar") and column.typmod > _VARLENA_HEADER
    return Field(
        column.name,
        Text(title, title),
        kind,
        codes=codes,
        required=column.is_required,
        sensitivity=wanted.sensitive.get(column.name, "open"),
        max_length=column.typmod - _VARLENA_HEADER if has_length else None,
    )


def _with_tiles(
    fields: Sequence[Field], facts: TableFacts, wanted: Registration, key: str
) -> tuple[Field, ...]:
    """The fields with those marked that travel in tiles: those with a role, then the first short and open."""
    roles = {wanted.name_field, wanted.district_field}
    short = [f for f in fields if f.name != key and f.sensitivity == "open" and _is_short(f, facts)]
    short.sort(key=lambda f: f.name not in roles)
    marked = {f.name for f in short[:MAX_IN_TILES]}
    return tuple(replace(f, in_tiles=f.name in marked) for f in fields)


def _is_short(field: Field, facts: TableFacts) -> bool:
    column = facts.column(field.name)
    is_long = column is None or column.category == "A" or column.base in _LONG
    return not is_long and (field.max_length or 0) <= SHORT_TEXT


def _remarks(column: ColumnFacts, reading: tuple[FieldType, Reading]) -> list[Finding]:
    if column.base == "timestamp" and reading[0] == "text":
        return [
            Finding(
                "warning",
                Text(
                    f"列 {column.name} 的时间没有时区，按文本给出；"
                    "用 --zone Asia/Shanghai 说明时区后可按时间查询",
                    f"times in {column.name} have no zone and are given as text; say --zone Asia/Shanghai to"
                    " ask by them",
                ),
            )
        ]
    return []


def _is_unique(facts: TableFacts, column: ColumnFacts) -> bool:
    """Whether an index and NOT NULL hold the column unique; an index does not reach a table's children."""
    return (column.name,) in facts.unique and column.is_required and not facts.has_children


def _is_whole(column: ColumnFacts) -> bool:
    if column.typmod < _VARLENA_HEADER:
        return False
    precision, scale = (column.typmod - _VARLENA_HEADER) >> 16, (column.typmod - _VARLENA_HEADER) & 0x7FF
    return scale == 0 and precision <= _GREATEST_WHOLE_DIGITS


def key_type_in(facts: TableFacts, column: ColumnFacts) -> KeyType:
    """What a key in the column is; raises `BadRequest` if it cannot be one."""
    kind = _KEY_TYPES.get(column.base)
    if kind is None:
        raise BadRequest(
            f"{facts.title} 的列 {column.name} 类型为 {column.type}，不能作键",
            f"column {column.name} of {facts.title} is {column.type}, it cannot be the key",
            field="key",
            value=column.name,
            expected="a column of whole numbers, numeric, text or uuid",
        )
    return kind


def readable_column(facts: TableFacts, name: str, said_as: str) -> ColumnFacts:
    """The column `name`; raises `BadRequest` if there is none, or none we may read."""
    column = facts.column(name)
    if column is None or not column.may_read:
        why = ("不存在", "does not exist") if column is None else ("没有读取权限", "may not be read")
        raise BadRequest(
            f"{facts.title} 的列 {name} {why[0]}",
            f"column {name} of {facts.title} {why[1]}",
            field=said_as,
            value=name,
            expected=f"one of {', '.join(c.name for c in facts.columns if c.may_read)}",
        )
    return column


def _cannot_be_given(facts: TableFacts, column: ColumnFacts, problem: Text) -> BadRequest:
    return BadRequest(
        f"{facts.title} 的列 {column.name} 不能作为字段：{problem.zh}",
        f"column {column.name} of {facts.title} cannot be a field: {problem.en}",
        field="fields",
        value=column.name,
        expected="a column that can be given",
    )


def _left_out(column: ColumnFacts, problem: Text) -> Finding:
    return Finding(
        "left out",
        Text(f"列 {column.name} 未列入：{problem.zh}", f"column {column.name} is left out: {problem.en}"),
    )
