"""Users have a generation of their sessions; failed attempts are no longer stored."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    # Added in place: a batch would copy the table and drop the old one, and with it, by cascade,
    # all tokens and keys of its users.
    op.add_column(
        "iam_users",
        sa.Column("session_generation", sa.Integer(), nullable=False, server_default="0"),
    )
    op.drop_table("iam_failures")


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.create_table(
        "iam_failures",
        sa.Column("subject", sa.String(length=192), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_iam_failures")),
    )
    op.drop_column("iam_users", "session_generation")
