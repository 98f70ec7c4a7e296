"""What the quality check found in the files of an import, and its report as a workbook."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FINDINGS = r"""
CREATE TABLE onemap.import_finding (
    run_id UUID NOT NULL,
    number INTEGER NOT NULL,
    layer TEXT NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    file TEXT NOT NULL,
    row BIGINT,
    key TEXT,
    field TEXT,
    value TEXT,
    zh TEXT NOT NULL,
    en TEXT NOT NULL,
    geometry TEXT,
    CONSTRAINT pk_import_finding PRIMARY KEY (run_id, number),
    CONSTRAINT fk_import_finding_run_id_import_run FOREIGN KEY (run_id)
        REFERENCES onemap.import_run (id) ON DELETE CASCADE
);
COMMENT ON TABLE onemap.import_finding IS 'the first findings of each rule of the quality check';
COMMENT ON COLUMN onemap.import_finding.row IS 'as a person counts it; null: no row is to blame';
COMMENT ON COLUMN onemap.import_finding.geometry IS 'GeoJSON, EPSG:4490';
CREATE TABLE onemap.import_workbook (
    run_id UUID NOT NULL,
    content BYTEA NOT NULL,
    CONSTRAINT pk_import_workbook PRIMARY KEY (run_id),
    CONSTRAINT fk_import_workbook_run_id_import_run FOREIGN KEY (run_id)
        REFERENCES onemap.import_run (id) ON DELETE CASCADE
);
COMMENT ON COLUMN onemap.import_workbook.content IS 'the report of the quality check, .xlsx';
"""


def upgrade() -> None:
    op.execute(FINDINGS)
