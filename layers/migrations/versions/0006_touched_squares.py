"""Which squares of the map a version changed."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE onemap.layer_touched (
            layer_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            squares BYTEA NOT NULL,
            CONSTRAINT pk_layer_touched PRIMARY KEY (layer_id, number),
            CONSTRAINT fk_layer_touched_layer_id_layer_version FOREIGN KEY (layer_id, number)
                REFERENCES onemap.layer_version (layer_id, number) ON DELETE CASCADE
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE onemap.layer_touched IS"
        " 'squares of the map that a version changed; no row: all of them'"
    )
    op.execute("COMMENT ON COLUMN onemap.layer_touched.squares IS 'layers.touched.Touched.to_bytes'")
