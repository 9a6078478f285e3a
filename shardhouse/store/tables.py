"""Tables of instances and jobs. A node's row is also the lease of its address and port."""

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
    true,
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
    Column("engine_build", String(64), nullable=False, server_default=""),
    Column("port", Integer, nullable=False),
    Column("ssl", Boolean, nullable=False),
    Column("region", String(64), nullable=False),
    Column("availability_zone", Text, nullable=False),
    Column("vpc_id", String(64), nullable=False),
    Column("subnet_id", String(64), nullable=False),
    Column("backup_start_time", String(16), nullable=False),
    Column("backup_keep_days", Integer, nullable=False),
    Column("backup_period", String(16), nullable=False, server_default=""),
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

# What an instance does by itself: one document per kind.
POLICIES = Table(
    "instance_policies",
    METADATA,
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("document", JSON, nullable=False),
    PrimaryKeyConstraint("instance_id", "kind"),
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
    Column("scale_ups", Integer, nullable=False, server_default="0"),
    Column("set_name", String(128), nullable=False, server_default=""),
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
    Column("dns_name", String(255), nullable=False, server_default=""),
    Column("member", String(16), nullable=False, server_default=""),
    Column("delay", Integer, nullable=False, server_default="0"),
    Column("size", Integer, nullable=False, server_default="0"),
    Index("ix_nodes_instance", "instance_id"),
    # One lease per address and port.
    Index(
        "uq_nodes_endpoint",
        "address",
        "port",
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
    # What the operation's steps are given. Secrets are not kept here.
    Column("arguments", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    # Whether it holds the instance's lock while it runs.
    Column("locks", Boolean, nullable=False, server_default=true()),
    Column("fail_reason", Text),
    Column("created_at", Moment, nullable=False),
    # When a pending job may start.
    Column("start_at", Moment),
    Column("ended_at", Moment),
    Index("ix_jobs_project", "project_id", "created_at"),
    # The lock: one running job changes an instance.
    Index(
        "uq_jobs_running",
        "instance_id",
        unique=True,
        sqlite_where=text("status = 'Running' AND locks"),
        postgresql_where=text("status = 'Running' AND locks"),
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

# What is decided for all of a project, as JSON.
PROJECT_POLICIES = Table(
    "project_policies",
    METADATA,
    Column("project_id", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("document", JSON, nullable=False),
    PrimaryKeyConstraint("project_id", "kind"),
)

# Backups outlive their instances.
BACKUPS = Table(
    "backups",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("instance_id", String(36), nullable=False),
    Column("instance_name", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("description", String(256), nullable=False),
    Column("type", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("begin_time", Moment, nullable=False),
    Column("end_time", Moment),
    Column("mode", String(16), nullable=False),
    Column("version", String(16), nullable=False),
    Column("storage_engine", String(32), nullable=False),
    Column("engine_version", String(16), nullable=False),
    Column("shape", JSON, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("tops", JSON, nullable=False),
    Column("consistent_at", String(16), nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Index("ix_backups_project", "project_id", "begin_time"),
    Index("ix_backups_instance", "instance_id"),
)

# Full backups from before a gap lead to no moment behind it.
CAPTURE_GAPS = Table(
    "capture_gaps",
    METADATA,
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("group_id", String(36), nullable=False),
    Column("position", String(16), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("found_at", Moment, nullable=False),
    PrimaryKeyConstraint("instance_id", "group_id", "position"),
)

# Deleted instances whose last backup is kept for a while.
RECYCLE_BIN = Table(
    "recycle_bin",
    METADATA,
    Column("instance_id", String(36), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("backup_id", String(36), nullable=False),
    Column("retained_until", Moment, nullable=False),
    Index("ix_recycle_bin_project", "project_id"),
)

# What happened to instances; rows outlive them.
EVENTS = Table(
    "events",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("project_id", String(32), nullable=False),
    Column("instance_id", String(36), nullable=False),
    Column("instance_name", String(64), nullable=False),
    Column("node_id", String(36), nullable=False),
    Column("job_id", String(36), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("message", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_events_project", "project_id", "number"),
    Index("ix_events_at", "at"),
    sqlite_autoincrement=True,
)

# How far events were delivered to each receiver.
DELIVERIES = Table(
    "event_deliveries",
    METADATA,
    Column("receiver", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
)

# Parameter templates of projects; those of the system are no rows.
CONFIGURATIONS = Table(
    "configurations",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("description", String(256), nullable=False),
    Column("version", String(16), nullable=False),
    Column("node_type", String(16), nullable=False),
    Column("values", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("uq_configurations_name", "project_id", "name", unique=True),
)

CONFIGURATION_CHANGES = Table(
    "configuration_changes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("configuration_id", ForeignKey("configurations.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("old_value", String(64), nullable=False),
    Column("new_value", String(64), nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index("ix_configuration_changes_configuration", "configuration_id"),
)

# Rules that end operations of clients.
KILL_RULES = Table(
    "kill_rules",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("instance_id", ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    Column("operation_types", JSON, nullable=False),
    Column("namespace", String(320), nullable=False),
    Column("client_ips", JSON, nullable=False),
    Column("plan_summary", String(32), nullable=False),
    Column("max_concurrency", Integer, nullable=False),
    Column("secs_running", Integer, nullable=False),
    Column("node_type", String(16), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("killed", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_kill_rules_instance", "instance_id"),
)
