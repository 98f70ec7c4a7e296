"""Alembic's environment: runs on the connection that `layers.migrations.upgrade` hands over."""

from alembic import context

from layers.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    transactional_ddl=True,
)
context.run_migrations()
