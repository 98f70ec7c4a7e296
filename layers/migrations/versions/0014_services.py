"""Layers of other systems' services: their secrets and state, and how often they were called."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE onemap.service (
            layer_id TEXT NOT NULL,
            secrets JSONB DEFAULT '[]' NOT NULL,
            is_up BOOLEAN,
            since TIMESTAMP WITH TIME ZONE,
            problem JSONB,
            CONSTRAINT pk_service PRIMARY KEY (layer_id),
            CONSTRAINT fk_service_layer_id_layer FOREIGN KEY (layer_id)
                REFERENCES onemap.layer (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("COMMENT ON TABLE onemap.service IS 'beside the layer: what must not be in its description'")
    op.execute("COMMENT ON COLUMN onemap.service.secrets IS 'place, name, value'")
    op.execute("COMMENT ON COLUMN onemap.service.is_up IS 'null: not asked yet'")
    op.execute("COMMENT ON COLUMN onemap.service.since IS 'it has been so since then'")
    op.execute("COMMENT ON COLUMN onemap.service.problem IS 'zh, en: why it is not up'")
    op.execute(
        """
        CREATE TABLE onemap.service_call (
            layer_id TEXT NOT NULL,
            day DATE NOT NULL,
            caller TEXT NOT NULL,
            calls BIGINT DEFAULT 0 NOT NULL,
            kept BIGINT DEFAULT 0 NOT NULL,
            errors BIGINT DEFAULT 0 NOT NULL,
            bytes BIGINT DEFAULT 0 NOT NULL,
            CONSTRAINT pk_service_call PRIMARY KEY (layer_id, day, caller),
            CONSTRAINT fk_service_call_layer_id_layer FOREIGN KEY (layer_id)
                REFERENCES onemap.layer (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("COMMENT ON COLUMN onemap.service_call.day IS 'in China'")
    op.execute("COMMENT ON COLUMN onemap.service_call.caller IS 'account; empty: not logged in'")
    op.execute("COMMENT ON COLUMN onemap.service_call.kept IS 'answered from memory'")
    op.execute("COMMENT ON COLUMN onemap.service_call.bytes IS 'sent to callers'")
