"""Clusters of points tell of which classes the rows are that they stand for: copies are to be made anew."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE onemap.layer ADD COLUMN classes TEXT[] DEFAULT '{}' NOT NULL")
    op.execute(
        "COMMENT ON COLUMN onemap.layer.classes IS 'by which the clusters of the lighter copy are counted'"
    )
    for (layer_id,) in op.get_bind().execute(sa.text("SELECT id FROM onemap.layer")).all():
        name = layer_id.replace('"', '""')
        op.execute(f'ALTER TABLE IF EXISTS onemap_rows."{name}__far" ADD COLUMN _classes JSONB')
    op.execute("""
        UPDATE onemap.layer SET unfinished = array_prepend('copy', unfinished)
        WHERE generalised IS NOT NULL AND NOT 'copy' = ANY(unfinished)
          AND description->>'geometry_type' IN ('Point', 'Geometry')
    """)
