"""Imports that are looked at first: a state in which they wait for a person, and what was seen."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LOOKED = r"""
ALTER TABLE onemap.import_run
    DROP CONSTRAINT ck_import_run_state,
    ADD COLUMN look_first BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE onemap.import_run ADD CONSTRAINT ck_import_run_state CHECK (
    state IN ('uploaded', 'reading', 'looked', 'staged', 'published', 'unchanged', 'refused', 'failed',
              'cancelled', 'discarded')
);
DROP INDEX onemap.ix_import_run_open;
CREATE INDEX ix_import_run_open ON onemap.import_run (state)
    WHERE state IN ('uploaded', 'reading', 'looked', 'staged');
COMMENT ON COLUMN onemap.import_run.look_first IS
    'the worker only looks at the files, and leaves the rest to a person';
CREATE TABLE onemap.import_look (
    run_id UUID NOT NULL,
    look JSONB NOT NULL,
    CONSTRAINT pk_import_look PRIMARY KEY (run_id),
    CONSTRAINT fk_import_look_run_id_import_run FOREIGN KEY (run_id)
        REFERENCES onemap.import_run (id) ON DELETE CASCADE
);
COMMENT ON TABLE onemap.import_look IS
    'beside its run and not in it: a look holds a picture of the rows, and runs are read often';
COMMENT ON COLUMN onemap.import_look.look IS 'what the files seem to be: importers.look';
"""


def upgrade() -> None:
    op.execute(LOOKED)
