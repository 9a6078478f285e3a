"""What the services beside DDS keep: networks, public IPs, enterprise projects, log groups."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    _table(
        "vpcs",
        _text("description", 255),
        _text("cidr"),
        sa.Column("routes", sa.JSON(), nullable=False),
        _flag("enable_shared_snat"),
        _flag("admin_state_up"),
        _text("external_network_id", 36),
        _text("enterprise_project_id", 36),
    )
    _table("networks", _text("description", 255), _flag("admin_state_up"))
    _table(
        "subnets",
        _text("description", 255),
        _text("cidr"),
        _text("gateway_ip"),
        _flag("enable_dhcp"),
        sa.Column("dns_nameservers", sa.JSON(), nullable=False),
        _text("availability_zone"),
        sa.Column("extra_dhcp_opts", sa.JSON(), nullable=False),
        network_id="networks",
    )
    _table(
        "ports",
        _text("ip_address"),
        _text("mac_address"),
        _text("device_id", 255),
        _text("device_owner", 255),
        _flag("admin_state_up"),
        sa.Column("security_groups", sa.JSON(), nullable=False),
        sa.UniqueConstraint("subnet_id", "ip_address", name="uq_ports_subnet_id_ip_address"),
        network_id="networks",
        subnet_id="subnets",
    )
    _table("security_groups", _text("description", 255))
    _table(
        "security_group_rules",
        _text("description", 255),
        _text("direction", 8),
        _text("ethertype", 8),
        sa.Column("protocol", sa.String(length=32)),
        sa.Column("port_range_min", sa.Integer()),
        sa.Column("port_range_max", sa.Integer()),
        sa.Column("remote_ip_prefix", sa.String(length=64)),
        sa.Column("remote_group_id", sa.String(length=36)),
        security_group_id="security_groups",
    )
    _table(
        "bandwidths",
        sa.Column("size", sa.Integer(), nullable=False),
        _text("share_type", 8),
        _text("charge_mode", 32),
        _text("enterprise_project_id", 36),
    )
    _table(
        "public_ips",
        _text("address"),
        _text("type", 36),
        _text("enterprise_project_id", 36),
        _text("port_id", 36),
        _text("node_id", 36),
        _text("private_ip_address"),
        sa.UniqueConstraint("address", name="uq_public_ips_address"),
        bandwidth_id="bandwidths",
    )
    for name in ("port_id", "node_id"):
        bound = sa.text(f"{name} <> ''")
        op.create_index(
            f"uq_public_ips_{name}",
            "public_ips",
            [name],
            unique=True,
            sqlite_where=bound,
            postgresql_where=bound,
        )
    op.create_table(
        "network_tags",
        *_part_of("network_tags", "project_id", "iam_projects"),
        _text("resource_id", 36),
        _text("key", 36),
        _text("value", 43),
        sa.PrimaryKeyConstraint("resource_id", "key", name="pk_network_tags"),
    )
    op.create_index("ix_network_tags_project_id", "network_tags", ["project_id"])
    op.create_table(
        "default_networks",
        *_part_of("default_networks", "project_id", "iam_projects"),
        _text("vpc_id", 36),
        _text("subnet_id", 36),
        _text("security_group_id", 36),
        sa.PrimaryKeyConstraint("project_id", name="pk_default_networks"),
    )
    _table(
        "log_groups",
        sa.Column("ttl_in_days", sa.Integer(), nullable=False),
        sa.UniqueConstraint("project_id", "name", name="uq_log_groups_project_id_name"),
    )
    _table(
        "log_streams",
        sa.Column("ttl_in_days", sa.Integer(), nullable=False),
        sa.UniqueConstraint("log_group_id", "name", name="uq_log_streams_log_group_id_name"),
        log_group_id="log_groups",
    )
    op.create_table(
        "enterprise_projects",
        _text("id", 36),
        *_part_of("enterprise_projects", "domain_id", "iam_domains"),
        _text("name", 255),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        _text("description", 512),
        _text("type", 16),
        _flag("enabled"),
        sa.PrimaryKeyConstraint("id", name="pk_enterprise_projects"),
        sa.UniqueConstraint("domain_id", "name", name="uq_enterprise_projects_domain_id_name"),
    )
    op.create_index("ix_enterprise_projects_domain_id", "enterprise_projects", ["domain_id"])


def downgrade() -> None:
    """Bring the schema to the revision before."""
    for name in (
        "enterprise_projects",
        "log_streams",
        "log_groups",
        "default_networks",
        "network_tags",
        "public_ips",
        "bandwidths",
        "security_group_rules",
        "security_groups",
        "ports",
        "subnets",
        "networks",
        "vpcs",
    ):
        op.drop_table(name)


def _table(name: str, *columns: Any, **parents: str) -> None:
    """A table whose rows have an id, a project, a name and their times, and parts of `parents`."""
    references = {"project_id": "iam_projects", **parents}
    op.create_table(
        name,
        _text("id", 36),
        _text("name", 255),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        *(part for pair in references.items() for part in _part_of(name, *pair)),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    for column in references:
        op.create_index(f"ix_{name}_{column}", name, [column])


def _part_of(table: str, column: str, parent: str) -> tuple[Any, Any]:
    return _text(column, 36), sa.ForeignKeyConstraint(
        [column], [f"{parent}.id"], name=f"fk_{table}_{column}_{parent}", ondelete="CASCADE"
    )


def _text(name: str, length: int = 64) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)
