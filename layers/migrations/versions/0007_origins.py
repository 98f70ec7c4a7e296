"""How coordinates came to be: a part of each version's record, and of the layer's state."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TOLD = """
    UPDATE onemap.{table} SET origins = jsonb_build_array(jsonb_build_object(
        'system', {told} #>> '{{crs,value}}',
        'evidence', jsonb_build_object('zh', {told} #>> '{{crs,zh}}', 'en', {told} #>> '{{crs,en}}'),
        'is_assumed', false,
        'transform', {told} -> 'transform',
        'error_m', {told} -> 'error_m',
        'file', {told} -> 'file'
    ))
    WHERE jsonb_typeof({told} -> 'crs') = 'object' AND jsonb_typeof({told} -> 'transform') = 'object'
"""


def upgrade() -> None:
    for table in ("layer", "layer_version"):
        op.execute(f"ALTER TABLE onemap.{table} ADD COLUMN origins JSONB DEFAULT '[]' NOT NULL")
        op.execute(
            f"COMMENT ON COLUMN onemap.{table}.origins IS 'how the coordinates came to be: layers.origins'"
        )
    op.execute(_TOLD.format(table="layer", told="provenance"))
    op.execute(_TOLD.format(table="layer_version", told="(report -> 'provenance')"))
    op.execute("ALTER TABLE onemap.layer DROP COLUMN provenance")
