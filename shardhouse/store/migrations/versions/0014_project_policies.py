"""What is decided for all of a project: whether backups may be downloaded, what the recycle bin
keeps."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "project_policies",
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "kind"),
    )


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_table("project_policies")
