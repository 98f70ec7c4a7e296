"""The fixed tables, in the schema `onemap`. Each layer's own rows live in tables made by `layers.tables`.

The migrations under `layers/migrations` bring a database to this state; a test holds both equal.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

OWN_PREFIX = "onemap"
"""All schemas of ours begin so, and what begins so is shown to nobody else."""
SCHEMA = "onemap"
ROWS_SCHEMA = "onemap_rows"
"""Current rows (`<layer>`), past rows (`<layer>__past`), lighter copy (`<layer>__far`) of each layer."""
STAGE_SCHEMA = "onemap_stage"
"""Unlogged tables of imports that are not published yet."""
JOBS_SCHEMA = "onemap_jobs"
"""The queue's own tables, made from its library's SQL."""

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

# ---------------------------------------------------------------- layers

layer = Table(
    "layer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("description", JSONB, nullable=False, comment="layers.description.to_json of the Layer"),
    Column("theme", Text, nullable=False),
    Column("access", Text, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default="empty"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("published_at", DateTime(timezone=True)),
    Column("feature_count", BigInteger, nullable=False, server_default="0"),
    Column("bounds", ARRAY(Double), comment="west, south, east, north, EPSG:4490"),
    Column("generalised", ARRAY(SmallInteger), comment="first and last zoom drawn from the lighter copy"),
    Column(
        "classes",
        ARRAY(Text),
        nullable=False,
        server_default=text("'{}'"),
        comment="by which the clusters of the lighter copy are counted",
    ),
    Column(
        "origins",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="how the coordinates came to be: layers.origins",
    ),
    Column(
        "unfinished",
        ARRAY(Text),
        nullable=False,
        server_default=text("'{}'"),
        comment="what is still to be made: indexes, copy",
    ),
    Column("rasters", JSONB, nullable=False, server_default=text("'[]'"), comment="of a raster layer: files"),
    Column(
        "needs_review",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="published by another person than imported it",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("access IN ('public', 'login', 'restricted')", name="access"),
    CheckConstraint("status IN ('empty', 'published', 'withdrawn')", name="status"),
)

layer_version = Table(
    "layer_version",
    metadata,
    Column("layer_id", Text, ForeignKey(layer.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("published_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_by", Text, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("boxes", JSONB, nullable=False, server_default=text("'[]'"), comment="changed boxes, EPSG:4490"),
    Column("report", JSONB, nullable=False, server_default=text("'{}'"), comment="the import's report"),
    Column(
        "origins",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="how the coordinates came to be: layers.origins",
    ),
)

layer_touched = Table(
    "layer_touched",
    metadata,
    Column("layer_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("squares", LargeBinary, nullable=False, comment="layers.touched.Touched.to_bytes"),
    ForeignKeyConstraint(
        ["layer_id", "number"], [layer_version.c.layer_id, layer_version.c.number], ondelete="CASCADE"
    ),
    comment="squares of the map that a version changed; no row: all of them",
)

upload = Table(
    "upload",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False, comment="as the person's file is called; never a path"),
    Column("size", BigInteger, nullable=False, comment="bytes the whole file has"),
    Column("started_by", Text, nullable=False, comment="account name"),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

import_run = Table(
    "import_run",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("layer_id", Text, comment="null until recognised"),
    Column("file_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    Column("started_by", Text, nullable=False),
    Column("report", JSONB, nullable=False, server_default=text("'{}'")),
    Column("uploads", ARRAY(UUID(as_uuid=True)), nullable=False, server_default=text("'{}'")),
    Column("options", JSONB, nullable=False, server_default=text("'{}'"), comment="as the person said them"),
    Column("step", Text, nullable=False, server_default="", comment="opening, reading, comparing, …"),
    Column("rows_done", BigInteger, nullable=False, server_default="0"),
    Column("rows_total", BigInteger, comment="null: not known yet"),
    Column("stages", JSONB, nullable=False, server_default=text("'[]'"), comment="staged tables, compared"),
    Column("cancel_asked", Boolean, nullable=False, server_default=text("false")),
    Column("worker", Integer, comment="the process that reads it: layers.db.Database.process"),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("beat_at", DateTime(timezone=True), comment="last sign of life of the worker"),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column(
        "look_first",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="the worker only looks at the files, and leaves the rest to a person",
    ),
    Column("sync", Text, comment="name of the sync that began it; null: a person did"),
    Column(
        "reviews",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="layers.reviews: who submitted, sent back, approved",
    ),
    Index(None, "started_at", "id"),
    Index(
        "ix_import_run_open",
        "state",
        postgresql_where=text("state IN ('uploaded', 'reading', 'looked', 'staged')"),
    ),
    CheckConstraint(
        "state IN ('uploaded', 'reading', 'looked', 'staged', 'published', 'unchanged', 'refused', 'failed', "
        "'cancelled', 'discarded')",
        name="state",
    ),
)

import_look = Table(
    "import_look",
    metadata,
    Column("run_id", UUID(as_uuid=True), ForeignKey(import_run.c.id, ondelete="CASCADE"), primary_key=True),
    Column("look", JSONB, nullable=False, comment="what the files seem to be: importers.look"),
    comment="beside its run and not in it: a look holds a picture of the rows, and runs are read often",
)

import_finding = Table(
    "import_finding",
    metadata,
    Column("run_id", UUID(as_uuid=True), ForeignKey(import_run.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("layer", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("row", BigInteger, comment="as a person counts it; null: no row is to blame"),
    Column("key", Text),
    Column("field", Text),
    Column("value", Text),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("geometry", Text, comment="GeoJSON, EPSG:4490"),
    comment="the first findings of each rule of the quality check",
)

import_workbook = Table(
    "import_workbook",
    metadata,
    Column("run_id", UUID(as_uuid=True), ForeignKey(import_run.c.id, ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="the report of the quality check, .xlsx"),
)

sync = Table(
    "sync",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False),
    Column("source", JSONB, nullable=False, comment="where it comes from: layers.sync_source"),
    Column("options", JSONB, nullable=False, server_default=text("'{}'"), comment="of each import"),
    Column("timetable", Text, nullable=False, comment="as layers.timetable reads it"),
    Column("policy", Text, nullable=False, server_default="publish"),
    Column("most_removed", Double, comment="percent of the rows; null: any"),
    Column("most_changed", Double, comment="percent of the rows; null: any"),
    Column("owner", Text, nullable=False, comment="account on whose behalf it is done"),
    Column(
        "as_operator", Boolean, nullable=False, server_default=text("false"), comment="made by the operator"
    ),
    Column("is_paused", Boolean, nullable=False, server_default=text("false")),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Column("asked_by", Text, comment="who wants a run now; null: nobody"),
    Column(
        "again", Boolean, nullable=False, server_default=text("false"), comment="read what is unchanged too"
    ),
    Column("failures", Integer, nullable=False, server_default="0", comment="in a row"),
    Column("failing_since", DateTime(timezone=True)),
    Column("seen", JSONB, nullable=False, server_default=text("'{}'"), comment="what was read last"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("kind IN ('files', 'table', 'refresh')", name="kind"),
    CheckConstraint("policy IN ('publish', 'review')", name="policy"),
    comment="imports that are begun by a timetable",
)

sync_run = Table(
    "sync_run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("sync", Text, ForeignKey(sync.c.name, ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("asked_by", Text, comment="null: the timetable"),
    Column("worker", Integer, comment="the process that looks at the source: Database.process"),
    Column("import_id", UUID(as_uuid=True), ForeignKey(import_run.c.id, ondelete="SET NULL")),
    Column("read", JSONB, nullable=False, server_default=text("'{}'"), comment="what was read"),
    Column("sentence", JSONB, nullable=False, server_default=text("'{}'"), comment="zh, en: why it ended so"),
    Column("made", JSONB, nullable=False, server_default=text("'[]'"), comment="versions with their numbers"),
    Index(None, "sync", "id"),
    Index("uq_sync_run_running", "sync", unique=True, postgresql_where=text("state = 'running'")),
    Index("ix_sync_run_open", "state", postgresql_where=text("state IN ('running', 'waiting')")),
    CheckConstraint(
        "state IN ('running', 'waiting', 'published', 'unchanged', 'refreshed', 'postponed', 'refused', "
        "'failed', 'discarded')",
        name="state",
    ),
)

# ---------------------------------------------------------------- services of other systems

service = Table(
    "service",
    metadata,
    Column("layer_id", Text, ForeignKey(layer.c.id, ondelete="CASCADE"), primary_key=True),
    Column("secrets", JSONB, nullable=False, server_default=text("'[]'"), comment="place, name, value"),
    Column("is_up", Boolean, comment="null: not asked yet"),
    Column("since", DateTime(timezone=True), comment="it has been so since then"),
    Column("problem", JSONB, comment="zh, en: why it is not up"),
    comment="beside the layer: what must not be in its description",
)

service_call = Table(
    "service_call",
    metadata,
    Column("layer_id", Text, ForeignKey(layer.c.id, ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True, comment="in China"),
    Column("caller", Text, primary_key=True, comment="account; empty: not logged in"),
    Column("calls", BigInteger, nullable=False, server_default="0"),
    Column("kept", BigInteger, nullable=False, server_default="0", comment="answered from memory"),
    Column("errors", BigInteger, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="sent to callers"),
)

# ---------------------------------------------------------------- people

department = Table(
    "department",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=""),
)

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False, server_default="", comment="what people call the person"),
    Column("password_hash", Text, comment="argon2id; null: no password login"),
    Column("roles", ARRAY(Text), nullable=False, server_default=text("'{viewer}'")),
    Column("department", Text, ForeignKey(department.c.code)),
    Column("districts", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="empty: no limit"),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("roles <@ '{viewer,inspector,dispatcher,publisher,admin}'::text[]", name="roles"),
)

credential = Table(
    "credential",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", BigInteger, ForeignKey(account.c.id, ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of a 256-bit secret"),
    Column("label", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('session', 'key')", name="kind"),
)

login_attempt = Table(
    "login_attempt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "name", "at"),
    Index(None, "client", "at"),
)

# ---------------------------------------------------------------- readings of monitoring stations

reading = Table(
    "reading",
    metadata,
    Column("station_code", Text, primary_key=True),
    Column("indicator", Text, primary_key=True, comment="pm2_5, pm10, so2, no2, co, o3, water_level, …"),
    Column("observed_at", DateTime(timezone=True), primary_key=True),
    Column("value", Double, nullable=False),
)

reading_latest = Table(
    "reading_latest",
    metadata,
    Column("station_code", Text, primary_key=True),
    Column("indicator", Text, primary_key=True),
    Column("observed_at", DateTime(timezone=True), nullable=False),
    Column("value", Double, nullable=False),
    comment="the newest reading each, so that a map never scans the series",
)

# ---------------------------------------------------------------- events (案卷)

dispatch_rule = Table(
    "dispatch_rule",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("priority", Integer, nullable=False, server_default="100", comment="lowest number wins"),
    Column("class_prefix", Text, nullable=False, server_default="", comment="of the class code; '' any"),
    Column("owner_code", Text, comment="of the component; null any"),
    Column("grid_prefix", Text, nullable=False, server_default="", comment="of the grid code; '' any"),
    Column("department_code", Text, ForeignKey(department.c.code), nullable=False),
    Column("limit_hours", Double, comment="time to handle, clock hours"),
    UniqueConstraint("class_prefix", "owner_code", "grid_prefix", postgresql_nulls_not_distinct=True),
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("case_number", Text, nullable=False, unique=True),
    Column("idempotency_key", Text, nullable=False),
    Column("reporter", Text, nullable=False, comment="account name"),
    Column(
        "request_hash", LargeBinary, nullable=False, comment="of the report: same key, other report = 409"
    ),
    Column("class_code", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("address", Text, nullable=False, server_default=""),
    Column("longitude", Double, nullable=False, comment="EPSG:4490"),
    Column("latitude", Double, nullable=False, comment="EPSG:4490"),
    Column("grid_code", Text),
    Column(
        "grid_distance_m", Double, nullable=False, server_default="0", comment="0 inside; else to the nearest"
    ),
    Column("district_code", Text, comment="rows are limited by it"),
    Column("street_code", Text),
    Column("community_code", Text),
    Column("component_code", Text, comment="nearest component of the class"),
    Column("component_distance_m", Double),
    Column("department_code", Text, ForeignKey(department.c.code), comment="the responsible unit"),
    Column("rule_id", BigInteger, comment="dispatch_rule that chose it"),
    Column("state", Text, nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("reported_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("revision", Integer, nullable=False, server_default="1"),
    UniqueConstraint("reporter", "idempotency_key"),
    Index(None, "state", "reported_at"),
    Index(None, "reported_at", "id"),
    Index(None, "updated_at", "id"),
    CheckConstraint(
        "state IN ('reported', 'filed', 'dispatched', 'handled', 'checked', 'closed', 'rejected')",
        name="state",
    ),
)

event_step = Table(
    "event_step",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", BigInteger, ForeignKey(event.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("action", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("by", Text, nullable=False, comment="account name"),
    Column("department_code", Text),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

event_photo = Table(
    "event_photo",
    metadata,
    Column("event_id", BigInteger, ForeignKey(event.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("event_id", "sha256"),
)
