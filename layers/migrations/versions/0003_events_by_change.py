"""Events by the time of their last change, for listeners that come back and ask what they missed."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX ix_event_updated_at_id ON onemap.event (updated_at, id)")
