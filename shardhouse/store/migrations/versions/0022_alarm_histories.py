"""Histories of alarm rules."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.create_table(
        "alarm_histories",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("alarm_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=256), nullable=False),
        sa.Column("namespace", sa.String(length=32), nullable=False),
        sa.Column("metric_name", sa.String(length=64), nullable=False),
        sa.Column("dimensions", sa.JSON(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("condition", sa.JSON(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("action_enabled", sa.Boolean(), nullable=False),
        sa.Column("alarm_actions", sa.JSON(), nullable=False),
        sa.Column("ok_actions", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("points", sa.JSON(), nullable=False),
        sa.Column("began_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alarm_histories")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["iam_projects.id"],
            name=op.f("fk_alarm_histories_project_id_iam_projects"),
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_alarm_histories_project_id"), "alarm_histories", ["project_id"])
    op.create_index("ix_alarm_histories_alarm_id", "alarm_histories", ["alarm_id"])
    op.create_index("ix_alarm_histories_began_at", "alarm_histories", ["began_at"])


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_table("alarm_histories")
