"""Deleted instances whose last backup is kept for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "recycle_bin",
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("backup_id", sa.String(length=36), nullable=False),
        sa.Column("retained_until", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id"),
    )
    op.create_index("ix_recycle_bin_project", "recycle_bin", ["project_id"])


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_table("recycle_bin")
