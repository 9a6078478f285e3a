"""Alembic's entry: runs migrations on the connection that `Database.migrate` gives."""

from typing import Any, Literal

from alembic import context

from shardhouse.store import schema
from shardhouse.store.tables import Moment


def render_item(kind: str, item: Any, autogen_context: object) -> str | Literal[False]:
    """Generated migrations name the database's own types, so that they outlive our classes."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, Moment) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.METADATA,
    render_as_batch=True,
    render_item=render_item,
    # The store's transaction is ours: all migrations or none.
    transactional_ddl=False,
)
context.run_migrations()
