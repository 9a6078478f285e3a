"""Tables of IAM. Ids are 32 lower-case hex characters; moments are UTC."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from shardhouse.store.metadata import METADATA
from shardhouse.store.tables import Moment


def _owner(table: str, *, primary_key: bool = False) -> Column[str]:
    """A reference to the row this one lives and dies with."""
    return Column(
        f"{table}_id",
        String(32),
        ForeignKey(f"iam_{table}s.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
        index=not primary_key,
    )


DOMAINS = Table(
    "iam_domains",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)

PROJECTS = Table(
    "iam_projects",
    METADATA,
    Column("id", String(32), primary_key=True),
    _owner("domain"),
    Column("parent_id", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("description", String(255), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

USERS = Table(
    "iam_users",
    METADATA,
    Column("id", String(32), primary_key=True),
    _owner("domain"),
    Column("name", String(64), nullable=False),
    Column("description", String(255), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("password_hash", String(255)),
    Column("password_strength", String(8), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("session_generation", Integer, nullable=False, server_default="0"),
    UniqueConstraint("domain_id", "name"),
)

#: `target_id` is a project's or a domain's id; an assignment on the domain counts for its projects.
ASSIGNMENTS = Table(
    "iam_role_assignments",
    METADATA,
    _owner("user", primary_key=True),
    Column("target", String(8), primary_key=True),
    Column("target_id", String(32), primary_key=True),
    Column("role_id", String(32), primary_key=True),
)

ACCESS_KEYS = Table(
    "iam_access_keys",
    METADATA,
    Column("access_key", String(64), primary_key=True),
    _owner("user"),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("description", String(255), nullable=False),
    Column("created_at", Moment, nullable=False),
)

#: A token is found by its keyed digest; `project_id` is null for a token of the user's domain.
TOKENS = Table(
    "iam_tokens",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    _owner("user"),
    Column("project_id", String(32), ForeignKey("iam_projects.id", ondelete="CASCADE"), index=True),
    Column("methods", String(64), nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)
