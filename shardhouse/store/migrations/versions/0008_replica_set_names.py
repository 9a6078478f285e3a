"""Names that replica sets were given; those that are there have none but their usual one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column(
        "groups",
        sa.Column("set_name", sa.String(length=128), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_column("groups", "set_name")
