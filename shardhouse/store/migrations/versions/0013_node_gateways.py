"""Ports of public IPs that lead to database nodes through NAT gateways."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column(
        "public_ips",
        sa.Column("nat_gateway_id", sa.String(length=36), nullable=False, server_default=""),
    )
    op.create_table(
        "node_gateways",
        sa.Column("node_id", sa.String(length=36), nullable=False),
        sa.Column("nat_gateway_id", sa.String(length=36), nullable=False),
        sa.Column("public_ip_id", sa.String(length=36), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], ondelete="CASCADE", name="fk_node_gateways_node_id_nodes"
        ),
        sa.ForeignKeyConstraint(
            ["public_ip_id"], ["public_ips.id"], name="fk_node_gateways_public_ip_id_public_ips"
        ),
        sa.PrimaryKeyConstraint("node_id", name="pk_node_gateways"),
        sa.UniqueConstraint("public_ip_id", "port", name="uq_node_gateways_public_ip_id_port"),
    )


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_table("node_gateways")
    op.drop_column("public_ips", "nat_gateway_id")
