"""Which zooms of a layer have a lighter copy to be drawn from."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE onemap.layer ADD COLUMN generalised SMALLINT[]")
    op.execute(
        "COMMENT ON COLUMN onemap.layer.generalised IS 'first and last zoom drawn from the lighter copy'"
    )
