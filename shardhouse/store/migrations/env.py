"""Alembic's entry: runs migrations on the connection that `Database.migrate` gives."""

from alembic import context

from shardhouse.store import schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.METADATA,
    render_as_batch=True,
    # The store's transaction is ours: all migrations or none.
    transactional_ddl=False,
)
context.run_migrations()
