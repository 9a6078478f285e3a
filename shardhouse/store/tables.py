"""Tables of instances and jobs. A node's row is also the lease of its address."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

from shardhouse.store.metadata import METADATA


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC without zone, which every database stores alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """To the database: UTC, zone dropped."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """From the database: UTC."""
        return value.replace(tzinfo=UTC) if value else None


INSTANCES = Table(
    "instances",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("status", String(32), nullable=False),
    Column("version", String(16), nullable=False),
    Column("storage_engine", String(32), nullable=False),
    Column("engine_version", String(16), nullable=False),
    Column("port", Integer, nullable=False),
    Column("ssl", Boolean, nullable=False),
    Column("region", String(64), nullable=False),
    Column("availability_zone", Text, nullable=False),
    Column("vpc_id", String(64), nullable=False),
    Column("subnet_id", String(64), nullable=False),
    Column("backup_start_time", String(16), nullable=False),
    Column("backup_keep_days", Integer, nullable=False),
    Column("maintenance_window", String(16), nullable=False),
    Column("remark", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    Column("revision", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    # A deleted instance is gone for every client at once; its row stays as the jobs' owner.
    Column("deleted_at", Moment),
    Index("ix_instances_project", "project_id", "created_at"),
)

TAGS = Table(
    "instance_tags",
    METADATA,
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("key", String(36), nullable=False),
    Column("value", String(43), nullable=False),
    PrimaryKeyConstraint("instance_id", "key"),
    Index("ix_instance_tags_key", "key", "value"),
)

SECRETS = Table(
    "instance_secrets",
    METADATA,
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("instance_id", "name"),
)

GROUPS = Table(
    "groups",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("type", String(16), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("name", String(64), nullable=False),
    Column("spec_code", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Index("ix_groups_instance", "instance_id"),
)

NODES = Table(
    "nodes",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("name", String(128), nullable=False),
    Column("spec_code", String(64), nullable=False),
    Column("availability_zone", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("port", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("role", String(16), nullable=False),
    Column("used_bytes", BigInteger, nullable=False),
    Index("ix_nodes_instance", "instance_id"),
    # One lease per address: two nodes never share one, whatever their ports.
    Index(
        "uq_nodes_address",
        "address",
        unique=True,
        sqlite_where=text("address <> ''"),
        postgresql_where=text("address <> ''"),
    ),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("instance_id", String(36), nullable=False),
    Column("instance_name", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("fail_reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_jobs_project", "project_id", "created_at"),
    # The lock: one running job changes an instance.
    Index(
        "uq_jobs_running",
        "instance_id",
        unique=True,
        sqlite_where=text("status = 'Running'"),
        postgresql_where=text("status = 'Running'"),
    ),
)

JOB_STEPS = Table(
    "job_steps",
    METADATA,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "position"),
)
