"""Imports that last: uploads, runs with options, progress and stages, and the queue they wait in."""

from alembic import op

from layers.jobs import QUEUE_SQL

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UPLOAD = r"""
CREATE TABLE onemap.upload (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    started_by TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_upload PRIMARY KEY (id)
);
COMMENT ON COLUMN onemap.upload.name IS 'as the person''s file is called; never a path';
COMMENT ON COLUMN onemap.upload.size IS 'bytes the whole file has';
COMMENT ON COLUMN onemap.upload.started_by IS 'account name';
"""

IMPORT_RUN = r"""
ALTER TABLE onemap.import_run
    DROP CONSTRAINT ck_import_run_state,
    ADD COLUMN uploads UUID[] DEFAULT '{}' NOT NULL,
    ADD COLUMN options JSONB DEFAULT '{}' NOT NULL,
    ADD COLUMN step TEXT DEFAULT '' NOT NULL,
    ADD COLUMN rows_done BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN rows_total BIGINT,
    ADD COLUMN stages JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN cancel_asked BOOLEAN DEFAULT false NOT NULL,
    ADD COLUMN worker INTEGER,
    ADD COLUMN attempts SMALLINT DEFAULT '0' NOT NULL,
    ADD COLUMN beat_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN revision INTEGER DEFAULT '1' NOT NULL;
-- Nothing is kept of a stage from before: such a run can only be begun again.
UPDATE onemap.import_run SET state = 'failed', ended_at = now() WHERE state = 'staged';
UPDATE onemap.import_run SET state = 'reading' WHERE state = 'running';
ALTER TABLE onemap.import_run ADD CONSTRAINT ck_import_run_state CHECK (
    state IN ('uploaded', 'reading', 'staged', 'published', 'unchanged', 'refused', 'failed',
              'cancelled', 'discarded')
);
CREATE INDEX ix_import_run_started_at_id ON onemap.import_run (started_at, id);
CREATE INDEX ix_import_run_open ON onemap.import_run (state)
    WHERE state IN ('uploaded', 'reading', 'staged');
COMMENT ON COLUMN onemap.import_run.options IS 'as the person said them';
COMMENT ON COLUMN onemap.import_run.step IS 'opening, reading, comparing, …';
COMMENT ON COLUMN onemap.import_run.rows_total IS 'null: not known yet';
COMMENT ON COLUMN onemap.import_run.stages IS 'staged tables, compared';
COMMENT ON COLUMN onemap.import_run.worker IS 'the process that reads it: layers.db.Database.process';
COMMENT ON COLUMN onemap.import_run.beat_at IS 'last sign of life of the worker';
"""


def upgrade() -> None:
    op.execute(UPLOAD)
    op.execute(IMPORT_RUN)
    # As the library wrote it: its text holds colons that are no parameters.
    op.get_bind().exec_driver_sql(QUEUE_SQL, execution_options={"no_parameters": True})
