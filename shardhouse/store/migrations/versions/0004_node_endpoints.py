"""Nodes may share an address, each at a port of its own, and may have a DNS name."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LEASED = sa.text("address <> ''")


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column(
        "nodes", sa.Column("dns_name", sa.String(length=255), nullable=False, server_default="")
    )
    op.drop_index("uq_nodes_address", "nodes")
    _lease("uq_nodes_endpoint", ["address", "port"])


def downgrade() -> None:
    """Bring the schema to the revision before; fails while nodes share an address."""
    op.drop_index("uq_nodes_endpoint", "nodes")
    _lease("uq_nodes_address", ["address"])
    op.drop_column("nodes", "dns_name")


def _lease(name: str, columns: list[str]) -> None:
    op.create_index(
        name, "nodes", columns, unique=True, sqlite_where=LEASED, postgresql_where=LEASED
    )
