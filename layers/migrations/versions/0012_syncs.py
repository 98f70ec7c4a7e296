"""Imports that are begun by a timetable, and what became of each."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SYNCS = r"""
ALTER TABLE onemap.import_run ADD COLUMN sync TEXT;
COMMENT ON COLUMN onemap.import_run.sync IS 'name of the sync that began it; null: a person did';
CREATE TABLE onemap.sync (
    name TEXT NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    kind TEXT NOT NULL,
    source JSONB NOT NULL,
    options JSONB DEFAULT '{}' NOT NULL,
    timetable TEXT NOT NULL,
    policy TEXT DEFAULT 'publish' NOT NULL,
    most_removed DOUBLE PRECISION,
    most_changed DOUBLE PRECISION,
    owner TEXT NOT NULL,
    as_operator BOOLEAN DEFAULT false NOT NULL,
    is_paused BOOLEAN DEFAULT false NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE NOT NULL,
    asked_by TEXT,
    again BOOLEAN DEFAULT false NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    failing_since TIMESTAMP WITH TIME ZONE,
    seen JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_sync PRIMARY KEY (name),
    CONSTRAINT ck_sync_kind CHECK (kind IN ('files', 'table', 'refresh')),
    CONSTRAINT ck_sync_policy CHECK (policy IN ('publish', 'review'))
);
COMMENT ON TABLE onemap.sync IS 'imports that are begun by a timetable';
COMMENT ON COLUMN onemap.sync.source IS 'where it comes from: layers.sync_source';
COMMENT ON COLUMN onemap.sync.options IS 'of each import';
COMMENT ON COLUMN onemap.sync.timetable IS 'as layers.timetable reads it';
COMMENT ON COLUMN onemap.sync.most_removed IS 'percent of the rows; null: any';
COMMENT ON COLUMN onemap.sync.most_changed IS 'percent of the rows; null: any';
COMMENT ON COLUMN onemap.sync.owner IS 'account on whose behalf it is done';
COMMENT ON COLUMN onemap.sync.as_operator IS 'made by the operator';
COMMENT ON COLUMN onemap.sync.asked_by IS 'who wants a run now; null: nobody';
COMMENT ON COLUMN onemap.sync.again IS 'read what is unchanged too';
COMMENT ON COLUMN onemap.sync.failures IS 'in a row';
COMMENT ON COLUMN onemap.sync.seen IS 'what was read last';
CREATE TABLE onemap.sync_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    sync TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    asked_by TEXT,
    worker INTEGER,
    import_id UUID,
    read JSONB DEFAULT '{}' NOT NULL,
    sentence JSONB DEFAULT '{}' NOT NULL,
    made JSONB DEFAULT '[]' NOT NULL,
    CONSTRAINT pk_sync_run PRIMARY KEY (id),
    CONSTRAINT fk_sync_run_sync_sync FOREIGN KEY (sync) REFERENCES onemap.sync (name) ON DELETE CASCADE,
    CONSTRAINT fk_sync_run_import_id_import_run FOREIGN KEY (import_id)
        REFERENCES onemap.import_run (id) ON DELETE SET NULL,
    CONSTRAINT ck_sync_run_state CHECK (state IN ('running', 'waiting', 'published', 'unchanged', 'refreshed',
        'postponed', 'refused', 'failed', 'discarded'))
);
COMMENT ON COLUMN onemap.sync_run.asked_by IS 'null: the timetable';
COMMENT ON COLUMN onemap.sync_run.worker IS 'the process that looks at the source: Database.process';
COMMENT ON COLUMN onemap.sync_run.read IS 'what was read';
COMMENT ON COLUMN onemap.sync_run.sentence IS 'zh, en: why it ended so';
COMMENT ON COLUMN onemap.sync_run.made IS 'versions with their numbers';
CREATE INDEX ix_sync_run_sync_id ON onemap.sync_run (sync, id);
CREATE UNIQUE INDEX uq_sync_run_running ON onemap.sync_run (sync) WHERE state = 'running';
CREATE INDEX ix_sync_run_open ON onemap.sync_run (state) WHERE state IN ('running', 'waiting');
"""


def upgrade() -> None:
    op.execute(SYNCS)
