"""What a large first version still lacks: search indexes, lighter copy."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE onemap.layer ADD COLUMN unfinished TEXT[] DEFAULT '{}' NOT NULL")
    op.execute("COMMENT ON COLUMN onemap.layer.unfinished IS 'what is still to be made: indexes, copy'")
