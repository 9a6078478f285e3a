"""Backups get a table, and a job may run without its instance's lock."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_RUNNING = "status = 'Running'"
_LOCKED = "status = 'Running' AND locks"


def upgrade() -> None:
    """Bring the schema to this revision."""
    op.add_column(
        "jobs", sa.Column("locks", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    _lock(_LOCKED)
    op.create_table(
        "backups",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("instance_id", sa.String(length=36), nullable=False),
        sa.Column("instance_name", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", sa.String(length=256), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("begin_time", sa.DateTime(), nullable=False),
        sa.Column("end_time", sa.DateTime(), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("storage_engine", sa.String(length=32), nullable=False),
        sa.Column("engine_version", sa.String(length=16), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("tops", sa.JSON(), nullable=False),
        sa.Column("consistent_at", sa.String(length=16), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_backups_project", "backups", ["project_id", "begin_time"])
    op.create_index("ix_backups_instance", "backups", ["instance_id"])


def downgrade() -> None:
    """Bring the schema to the revision before."""
    op.drop_table("backups")
    _lock(_RUNNING)
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("locks")


def _lock(condition: str) -> None:
    """At most one job of an instance fulfils the condition."""
    op.drop_index("uq_jobs_running", table_name="jobs")
    op.create_index(
        "uq_jobs_running",
        "jobs",
        ["instance_id"],
        unique=True,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
