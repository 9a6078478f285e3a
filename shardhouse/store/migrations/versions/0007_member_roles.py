"""What each node is in its replica set; read replicas; how often a volume was enlarged."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NODES = sa.table("nodes", sa.column("group_id"), sa.column("ordinal"), sa.column("member"))
_GROUPS = sa.table("groups", sa.column("id"), sa.column("type"))


def upgrade() -> None:
    """Bring the schema to this revision. Of three and more members the last was hidden."""
    op.add_column(
        "nodes", sa.Column("member", sa.String(length=16), nullable=False, server_default="")
    )
    op.add_column("nodes", sa.Column("delay", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("nodes", sa.Column("size", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "groups", sa.Column("scale_ups", sa.Integer(), nullable=False, server_default="0")
    )
    connection = op.get_bind()
    of_sets = sa.select(_GROUPS.c.id).where(_GROUPS.c.type != "mongos")
    of_set = _NODES.c.group_id.in_(of_sets)
    connection.execute(sa.update(_NODES).where(of_set).values(member="voter"))
    last = (
        sa.select(_NODES.c.group_id, sa.func.max(_NODES.c.ordinal))
        .where(of_set)
        .group_by(_NODES.c.group_id)
        .having(sa.func.count() >= 3)
    )
    for group_id, ordinal in connection.execute(last).all():
        connection.execute(
            sa.update(_NODES)
            .where(_NODES.c.group_id == group_id, _NODES.c.ordinal == ordinal)
            .values(member="hidden")
        )


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_column("groups", "scale_ups")
    for name in ("size", "delay", "member"):
        op.drop_column("nodes", name)
