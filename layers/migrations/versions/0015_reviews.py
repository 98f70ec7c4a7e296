"""Another person may be demanded before release: of which layers, and what was said of each import."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


REVIEWS = """
ALTER TABLE onemap.layer ADD COLUMN needs_review BOOLEAN DEFAULT false NOT NULL;
COMMENT ON COLUMN onemap.layer.needs_review IS 'published by another person than imported it';
ALTER TABLE onemap.import_run ADD COLUMN reviews JSONB DEFAULT '[]' NOT NULL;
COMMENT ON COLUMN onemap.import_run.reviews IS 'layers.reviews: who submitted, sent back, approved';
"""


def upgrade() -> None:
    op.execute(REVIEWS)
