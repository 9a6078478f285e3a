"""Tables of the services beside DDS. All of a project's rows go with the project."""

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shardhouse.store.metadata import METADATA
from shardhouse.store.tables import Moment


def _table(name: str, *columns: Any) -> Table:
    """A table whose rows have an id, a project, a name and their times."""
    return Table(
        name,
        METADATA,
        Column("id", String(36), primary_key=True),
        _part_of("project_id", "iam_projects"),
        _text("name", 255),
        Column("created_at", Moment, nullable=False),
        Column("updated_at", Moment, nullable=False),
        *columns,
    )


def _part_of(name: str, table: str) -> Column[str]:
    """A reference to the row this one lives and dies with."""
    return Column(
        name,
        String(36),
        ForeignKey(f"{table}.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


def _text(name: str, length: int = 64) -> Column[str]:
    return Column(name, String(length), nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


VPCS = _table(
    "vpcs",
    _text("description", 255),
    _text("cidr"),
    Column("routes", JSON, nullable=False),
    _flag("enable_shared_snat"),
    _flag("admin_state_up"),
    _text("external_network_id", 36),
    _text("enterprise_project_id", 36),
)

NETWORKS = _table("networks", _text("description", 255), _flag("admin_state_up"))

SUBNETS = _table(
    "subnets",
    _part_of("network_id", "networks"),
    _text("description", 255),
    _text("cidr"),
    _text("gateway_ip"),
    _flag("enable_dhcp"),
    Column("dns_nameservers", JSON, nullable=False),
    _text("availability_zone"),
    Column("extra_dhcp_opts", JSON, nullable=False),
)

PORTS = _table(
    "ports",
    _part_of("network_id", "networks"),
    _part_of("subnet_id", "subnets"),
    _text("ip_address"),
    _text("mac_address"),
    _text("device_id", 255),
    _text("device_owner", 255),
    _flag("admin_state_up"),
    Column("security_groups", JSON, nullable=False),
    UniqueConstraint("subnet_id", "ip_address"),
)

SECURITY_GROUPS = _table("security_groups", _text("description", 255))

SECURITY_GROUP_RULES = _table(
    "security_group_rules",
    _part_of("security_group_id", "security_groups"),
    _text("description", 255),
    _text("direction", 8),
    _text("ethertype", 8),
    Column("protocol", String(32)),
    Column("port_range_min", Integer),
    Column("port_range_max", Integer),
    Column("remote_ip_prefix", String(64)),
    Column("remote_group_id", String(36)),
)

BANDWIDTHS = _table(
    "bandwidths",
    Column("size", Integer, nullable=False),
    _text("share_type", 8),
    _text("charge_mode", 32),
    _text("enterprise_project_id", 36),
)

#: A row is the lease of its address.
PUBLIC_IPS = _table(
    "public_ips",
    Column("address", String(64), nullable=False, unique=True),
    _text("type", 36),
    _part_of("bandwidth_id", "bandwidths"),
    _text("enterprise_project_id", 36),
    _text("port_id", 36),
    _text("node_id", 36),
    _text("private_ip_address"),
    Column("nat_gateway_id", String(36), nullable=False, server_default=""),
    # A port and a node have one public IP at most.
    *(
        Index(
            f"uq_public_ips_{name}",
            name,
            unique=True,
            sqlite_where=text(f"{name} <> ''"),
            postgresql_where=text(f"{name} <> ''"),
        )
        for name in ("port_id", "node_id")
    ),
)

#: Ports of public IPs that lead to database nodes through NAT gateways, one for a node at most.
GATEWAYS = Table(
    "node_gateways",
    METADATA,
    Column("node_id", String(36), ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True),
    _text("nat_gateway_id", 36),
    Column("public_ip_id", String(36), ForeignKey("public_ips.id"), nullable=False),
    Column("port", Integer, nullable=False),
    UniqueConstraint("public_ip_id", "port"),
)

#: Tags of VPCs, subnets (by their network's id), security groups and public IPs.
TAGS = Table(
    "network_tags",
    METADATA,
    _part_of("project_id", "iam_projects"),
    Column("resource_id", String(36), nullable=False),
    Column("key", String(36), nullable=False),
    Column("value", String(43), nullable=False),
    PrimaryKeyConstraint("resource_id", "key"),
)

#: Which networks a project got when it was made; they may be gone since.
DEFAULT_NETWORKS = Table(
    "default_networks",
    METADATA,
    Column(
        "project_id",
        String(36),
        ForeignKey("iam_projects.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    _text("vpc_id", 36),
    _text("subnet_id", 36),
    _text("security_group_id", 36),
)

LOG_GROUPS = _table(
    "log_groups",
    Column("ttl_in_days", Integer, nullable=False),
    UniqueConstraint("project_id", "name"),
)

LOG_STREAMS = _table(
    "log_streams",
    _part_of("log_group_id", "log_groups"),
    Column("ttl_in_days", Integer, nullable=False),
    UniqueConstraint("log_group_id", "name"),
)

ALARMS = _table(
    "alarms",
    _text("description", 256),
    _text("namespace", 32),
    _text("metric_name"),
    Column("dimensions", JSON, nullable=False),
    Column("condition", JSON, nullable=False),
    Column("level", Integer, nullable=False),
    _flag("enabled"),
    _flag("action_enabled"),
    Column("alarm_actions", JSON, nullable=False),
    Column("ok_actions", JSON, nullable=False),
    _text("state", 32),
    Column("state_at", Moment, nullable=False),
    _text("told", 32),
    Column("told_at", Moment),
)

#: Numbers are not used again, so that ids of records are not, either.
ALARM_HISTORIES = Table(
    "alarm_histories",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _part_of("project_id", "iam_projects"),
    Column("alarm_id", String(36), nullable=False, index=True),
    _text("name", 255),
    _text("description", 256),
    _text("namespace", 32),
    _text("metric_name"),
    Column("dimensions", JSON, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("condition", JSON, nullable=False),
    Column("level", Integer, nullable=False),
    _flag("action_enabled"),
    Column("alarm_actions", JSON, nullable=False),
    Column("ok_actions", JSON, nullable=False),
    _text("state", 32),
    Column("points", JSON, nullable=False),
    Column("began_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment),
    sqlite_autoincrement=True,
)

ENTERPRISE_PROJECTS = Table(
    "enterprise_projects",
    METADATA,
    Column("id", String(36), primary_key=True),
    _part_of("domain_id", "iam_domains"),
    _text("name", 255),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    _text("description", 512),
    _text("type", 16),
    _flag("enabled"),
    UniqueConstraint("domain_id", "name"),
)
