"""The files of raster layers, by version."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE onemap.layer ADD COLUMN rasters JSONB DEFAULT '[]' NOT NULL")
    op.execute("COMMENT ON COLUMN onemap.layer.rasters IS 'of a raster layer: files'")
