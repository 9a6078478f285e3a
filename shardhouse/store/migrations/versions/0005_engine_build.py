"""Which build an instance runs on. Those that are there keep that of their `engine_version`."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column(
        "instances",
        sa.Column("engine_build", sa.String(length=64), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_column("instances", "engine_build")
