"""IAM's rows as plain data."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Target = Literal["project", "domain"]


@dataclass(frozen=True)
class Domain:
    """An account: it owns projects and users."""

    id: str
    name: str
    enabled: bool
    created_at: datetime


@dataclass(frozen=True)
class Project:
    """A tenant within the region. `parent_id` is the domain's id unless it is a sub-project."""

    id: str
    domain_id: str
    parent_id: str
    name: str
    description: str
    enabled: bool
    created_at: datetime


@dataclass(frozen=True)
class User:
    """Somebody who can log in, sign requests, or both; `password_hash` is argon2's own format.

    Tokens and temporary keys are good for the `session_generation` they were issued in.
    """

    id: str
    domain_id: str
    name: str
    description: str
    enabled: bool
    password_hash: str | None
    password_strength: str
    created_at: datetime
    session_generation: int = 0


@dataclass(frozen=True)
class Assignment:
    """One role of one user on a project or domain."""

    user_id: str
    target: Target
    target_id: str
    role_id: str


@dataclass(frozen=True)
class AccessKey:
    """A permanent AK; its secret is sealed with the vault under `access-key:<access_key>`."""

    access_key: str
    user_id: str
    sealed_secret: bytes
    active: bool
    description: str
    created_at: datetime


@dataclass(frozen=True)
class TokenRow:
    """A token as stored: its text is known to its holder only."""

    digest: bytes
    user_id: str
    project_id: str | None
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Standing:
    """Who somebody is at this moment: user and domain, the project asked for, roles that count.

    `project` is None for the domain's own scope, or where the project does not exist in the domain.
    """

    user: User
    domain: Domain
    project: Project | None
    role_ids: frozenset[str]
