"""Rules that end operations of clients."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "kill_rules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("operation_types", sa.JSON(), nullable=False),
        sa.Column("namespace", sa.String(length=320), nullable=False),
        sa.Column("client_ips", sa.JSON(), nullable=False),
        sa.Column("plan_summary", sa.String(length=32), nullable=False),
        sa.Column("max_concurrency", sa.Integer(), nullable=False),
        sa.Column("secs_running", sa.Integer(), nullable=False),
        sa.Column("node_type", sa.String(length=16), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("killed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kill_rules_instance", "kill_rules", ["instance_id"])


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_table("kill_rules")
