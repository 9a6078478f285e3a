"""Days of backups get a column; so far they stood in the echo of the creating request."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column(
        "instances",
        sa.Column("backup_period", sa.String(length=16), nullable=False, server_default=""),
    )
    connection = op.get_bind()
    stored = connection.execute(sa.text("SELECT id, request FROM instances")).all()
    for instance_id, request in stored:
        content = json.loads(request) if isinstance(request, str) else request
        period = (content.get("backup_strategy") or {}).get("period")
        if period:
            connection.execute(
                sa.text("UPDATE instances SET backup_period = :period WHERE id = :id"),
                {"period": str(period), "id": instance_id},
            )


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_column("instances", "backup_period")
