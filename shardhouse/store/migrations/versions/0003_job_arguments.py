"""Jobs carry the arguments of their operation, and when they may start."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision. Jobs stored so far had no arguments."""
    op.add_column("jobs", sa.Column("arguments", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("jobs", sa.Column("start_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    """Undo this revision."""
    op.drop_column("jobs", "start_at")
    op.drop_column("jobs", "arguments")
