"""The fixed tables as of the first version: layers, people, readings, events."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


DEPARTMENT = r"""
CREATE TABLE onemap.department (
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    name_en TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_department PRIMARY KEY (code)
);
"""

IMPORT_RUN = r"""
CREATE TABLE onemap.import_run (
    id UUID NOT NULL,
    layer_id TEXT,
    file_name TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    started_by TEXT NOT NULL,
    report JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_import_run PRIMARY KEY (id),
    CONSTRAINT ck_import_run_state CHECK (
        state IN ('running', 'staged', 'published', 'unchanged', 'refused', 'failed', 'cancelled')
    )
);
COMMENT ON COLUMN onemap.import_run.layer_id IS 'null until recognised';
"""

LAYER = r"""
CREATE TABLE onemap.layer (
    id TEXT NOT NULL,
    description JSONB NOT NULL,
    theme TEXT NOT NULL,
    access TEXT NOT NULL,
    owner TEXT DEFAULT '' NOT NULL,
    status TEXT DEFAULT 'empty' NOT NULL,
    version INTEGER DEFAULT '0' NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE,
    feature_count BIGINT DEFAULT '0' NOT NULL,
    bounds DOUBLE PRECISION[],
    provenance JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_layer PRIMARY KEY (id),
    CONSTRAINT ck_layer_access CHECK (access IN ('public', 'login', 'restricted')),
    CONSTRAINT ck_layer_status CHECK (status IN ('empty', 'published', 'withdrawn'))
);
COMMENT ON COLUMN onemap.layer.description IS 'layers.description.to_json of the Layer';
COMMENT ON COLUMN onemap.layer.bounds IS 'west, south, east, north, EPSG:4490';
"""

LOGIN_ATTEMPT = r"""
CREATE TABLE onemap.login_attempt (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    client TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_login_attempt PRIMARY KEY (id)
);
CREATE INDEX ix_login_attempt_client_at ON onemap.login_attempt (client, at);
CREATE INDEX ix_login_attempt_name_at ON onemap.login_attempt (name, at);
"""

READING = r"""
CREATE TABLE onemap.reading (
    station_code TEXT NOT NULL,
    indicator TEXT NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_reading PRIMARY KEY (station_code, indicator, observed_at)
);
COMMENT ON COLUMN onemap.reading.indicator IS 'pm2_5, pm10, so2, no2, co, o3, water_level, …';
"""

READING_LATEST = r"""
CREATE TABLE onemap.reading_latest (
    station_code TEXT NOT NULL,
    indicator TEXT NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_reading_latest PRIMARY KEY (station_code, indicator)
);
COMMENT ON TABLE onemap.reading_latest IS 'the newest reading each, so that a map never scans the series';
"""

ACCOUNT = r"""
CREATE TABLE onemap.account (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    password_hash TEXT,
    roles TEXT[] DEFAULT '{viewer}' NOT NULL,
    department TEXT,
    districts TEXT[] DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_account PRIMARY KEY (id),
    CONSTRAINT ck_account_roles CHECK (roles <@ '{viewer,inspector,dispatcher,publisher,admin}'::text[]),
    CONSTRAINT uq_account_name UNIQUE (name),
    CONSTRAINT fk_account_department
        FOREIGN KEY(department) REFERENCES onemap.department (code)
);
COMMENT ON COLUMN onemap.account.title IS 'what people call the person';
COMMENT ON COLUMN onemap.account.password_hash IS 'argon2id; null: no password login';
COMMENT ON COLUMN onemap.account.districts IS 'empty: no limit';
"""

DISPATCH_RULE = r"""
CREATE TABLE onemap.dispatch_rule (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    priority INTEGER DEFAULT '100' NOT NULL,
    class_prefix TEXT DEFAULT '' NOT NULL,
    owner_code TEXT,
    grid_prefix TEXT DEFAULT '' NOT NULL,
    department_code TEXT NOT NULL,
    limit_hours DOUBLE PRECISION,
    CONSTRAINT pk_dispatch_rule PRIMARY KEY (id),
    CONSTRAINT uq_dispatch_rule_class_prefix_owner_code_grid_prefix
        UNIQUE NULLS NOT DISTINCT (class_prefix, owner_code, grid_prefix),
    CONSTRAINT fk_dispatch_rule_department_code
        FOREIGN KEY(department_code) REFERENCES onemap.department (code)
);
COMMENT ON COLUMN onemap.dispatch_rule.priority IS 'lowest number wins';
COMMENT ON COLUMN onemap.dispatch_rule.class_prefix IS 'of the class code; '''' any';
COMMENT ON COLUMN onemap.dispatch_rule.owner_code IS 'of the component; null any';
COMMENT ON COLUMN onemap.dispatch_rule.grid_prefix IS 'of the grid code; '''' any';
COMMENT ON COLUMN onemap.dispatch_rule.limit_hours IS 'time to handle, clock hours';
"""

EVENT = r"""
CREATE TABLE onemap.event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    case_number TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    reporter TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    class_code TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    address TEXT DEFAULT '' NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    grid_code TEXT,
    grid_distance_m DOUBLE PRECISION DEFAULT '0' NOT NULL,
    district_code TEXT,
    street_code TEXT,
    community_code TEXT,
    component_code TEXT,
    component_distance_m DOUBLE PRECISION,
    department_code TEXT,
    rule_id BIGINT,
    state TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE,
    reported_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    revision INTEGER DEFAULT '1' NOT NULL,
    CONSTRAINT pk_event PRIMARY KEY (id),
    CONSTRAINT uq_event_reporter_idempotency_key UNIQUE (reporter, idempotency_key),
    CONSTRAINT ck_event_state CHECK (
        state IN ('reported', 'filed', 'dispatched', 'handled', 'checked', 'closed', 'rejected')
    ),
    CONSTRAINT uq_event_case_number UNIQUE (case_number),
    CONSTRAINT fk_event_department_code
        FOREIGN KEY(department_code) REFERENCES onemap.department (code)
);
CREATE INDEX ix_event_reported_at_id ON onemap.event (reported_at, id);
CREATE INDEX ix_event_state_reported_at ON onemap.event (state, reported_at);
COMMENT ON COLUMN onemap.event.reporter IS 'account name';
COMMENT ON COLUMN onemap.event.request_hash IS 'of the report: same key, other report = 409';
COMMENT ON COLUMN onemap.event.longitude IS 'EPSG:4490';
COMMENT ON COLUMN onemap.event.latitude IS 'EPSG:4490';
COMMENT ON COLUMN onemap.event.grid_distance_m IS '0 inside; else to the nearest';
COMMENT ON COLUMN onemap.event.district_code IS 'rows are limited by it';
COMMENT ON COLUMN onemap.event.component_code IS 'nearest component of the class';
COMMENT ON COLUMN onemap.event.department_code IS 'the responsible unit';
COMMENT ON COLUMN onemap.event.rule_id IS 'dispatch_rule that chose it';
"""

LAYER_VERSION = r"""
CREATE TABLE onemap.layer_version (
    layer_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    published_by TEXT NOT NULL,
    added BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    boxes JSONB DEFAULT '[]' NOT NULL,
    report JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_layer_version PRIMARY KEY (layer_id, number),
    CONSTRAINT fk_layer_version_layer_id
        FOREIGN KEY(layer_id) REFERENCES onemap.layer (id) ON DELETE CASCADE
);
COMMENT ON COLUMN onemap.layer_version.boxes IS 'changed boxes, EPSG:4490';
COMMENT ON COLUMN onemap.layer_version.report IS 'the import''s report';
"""

CREDENTIAL = r"""
CREATE TABLE onemap.credential (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    label TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_credential PRIMARY KEY (id),
    CONSTRAINT ck_credential_kind CHECK (kind IN ('session', 'key')),
    CONSTRAINT fk_credential_account_id
        FOREIGN KEY(account_id) REFERENCES onemap.account (id) ON DELETE CASCADE,
    CONSTRAINT uq_credential_secret_hash UNIQUE (secret_hash)
);
COMMENT ON COLUMN onemap.credential.secret_hash IS 'SHA-256 of a 256-bit secret';
"""

EVENT_PHOTO = r"""
CREATE TABLE onemap.event_photo (
    event_id BIGINT NOT NULL,
    number SMALLINT NOT NULL,
    media_type TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT pk_event_photo PRIMARY KEY (event_id, number),
    CONSTRAINT uq_event_photo_event_id_sha256 UNIQUE (event_id, sha256),
    CONSTRAINT fk_event_photo_event_id
        FOREIGN KEY(event_id) REFERENCES onemap.event (id) ON DELETE CASCADE
);
"""

EVENT_STEP = r"""
CREATE TABLE onemap.event_step (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event_id BIGINT NOT NULL,
    action TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    by TEXT NOT NULL,
    department_code TEXT,
    note TEXT DEFAULT '' NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_event_step PRIMARY KEY (id),
    CONSTRAINT fk_event_step_event_id
        FOREIGN KEY(event_id) REFERENCES onemap.event (id) ON DELETE CASCADE
);
CREATE INDEX ix_event_step_event_id ON onemap.event_step (event_id);
COMMENT ON COLUMN onemap.event_step.by IS 'account name';
"""


def upgrade() -> None:
    for statements in (
        DEPARTMENT,
        IMPORT_RUN,
        LAYER,
        LOGIN_ATTEMPT,
        READING,
        READING_LATEST,
        ACCOUNT,
        DISPATCH_RULE,
        EVENT,
        LAYER_VERSION,
        CREDENTIAL,
        EVENT_PHOTO,
        EVENT_STEP,
    ):
        op.execute(statements)
