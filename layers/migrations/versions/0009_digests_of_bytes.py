"""Digests of rows are taken over the bytes of their values, as arrays give them on arrival.

Those of rows that stand are computed anew, so that a file that was imported before still says the same.
Without a key field the digest is the first part of the key.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SENT = {
    "text": "convert_to({}, 'UTF8')",
    "integer": "int8send({})",
    "number": "float8send({})",
    "boolean": "boolsend({})",
    "date": "date_send({})",
    "datetime": "timestamptz_send({})",
}


def upgrade() -> None:
    connection = op.get_bind()
    for layer_id, described in connection.execute(sa.text("SELECT id, description FROM onemap.layer")).all():
        for table in (layer_id, f"{layer_id}__past"):
            _renew("onemap_rows", table, described)
    staged = connection.execute(sa.text("SELECT stages FROM onemap.import_run WHERE state = 'staged'")).all()
    for (stages,) in staged:
        for told in stages:
            _renew("onemap_stage", told["table"], told["description"])


def _renew(schema: str, table: str, described: Mapping[str, Any]) -> None:
    name = f"{schema}.{_quoted(table)}"
    if op.get_bind().scalar(sa.text("SELECT to_regclass(:name)"), {"name": name}) is None:
        return  # a table of the user's own, read where it is, has no rows here
    digest = row_digest({field["name"]: field.get("type", "text") for field in described["fields"]})
    changes = f"_hash = {digest}"
    if described.get("key") is None:
        changes += f", _key = ({digest})::text || substr(_key, 37)"
    statement = f"UPDATE {name} SET {changes}"  # noqa: S608 - made of quoted names
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def row_digest(fields: Mapping[str, str]) -> str:
    """The SQL of a row's digest by the types of its fields: of each value that is not null, in the order of
    their names, the name and the value's bytes, each after its length.
    """
    sent = {name: _SENT[kind].format(_quoted(name)) for name, kind in fields.items()}
    sent["_geom"] = "ST_AsBinary(_geom, 'NDR')"
    parts = [f"coalesce({_measured(name)} || int4send(octet_length({bytes_})) || {bytes_}, '')"
             for name, bytes_ in sorted(sent.items())]  # fmt: skip
    return f"encode(substr(sha256({' || '.join(parts)}), 1, 16), 'hex')::uuid"


def _measured(name: str) -> str:
    said = name.encode()
    return f"'\\x{(len(said).to_bytes(4, 'big') + said).hex()}'::bytea"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
