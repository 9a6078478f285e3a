"""The built-in roles: what an assignment on a project or domain allows.

Names are those of the cloud's system roles and policies. An assignment on the domain counts for
the domain and for each of its projects.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

_NAMESPACE = uuid.UUID("6f0f4f3c-8a55-5d0c-9f0a-3a3c6e2a7d10")


@dataclass(frozen=True)
class Role:
    """A role. `reads` and `writes` concern DDS and the services beside it; `administers` is users,
    projects, roles and keys of the whole domain, so such a role is assigned on a domain only.
    """

    name: str
    display_name: str
    description: str
    reads: bool = True
    writes: bool = False
    administers: bool = False

    @property
    def id(self) -> str:
        """32 hex characters, the same in every installation."""
        return uuid.uuid5(_NAMESPACE, self.name).hex


SECURITY_ADMINISTRATOR = Role(
    "secu_admin",
    "Security Administrator",
    "Administers the domain's users, projects, role assignments and access keys.",
    reads=False,
    administers=True,
)
TENANT_ADMINISTRATOR = Role(
    "te_admin", "Tenant Administrator", "Full access to all services except IAM.", writes=True
)
TENANT_GUEST = Role("readonly", "Tenant Guest", "Read-only access to all services except IAM.")
DDS_FULL_ACCESS = Role("DDS FullAccess", "DDS FullAccess", "Full access to DDS.", writes=True)
DDS_READ_ONLY = Role("DDS ReadOnlyAccess", "DDS ReadOnlyAccess", "Read-only access to DDS.")

ROLES = {
    role.id: role
    for role in (
        SECURITY_ADMINISTRATOR,
        TENANT_ADMINISTRATOR,
        TENANT_GUEST,
        DDS_FULL_ACCESS,
        DDS_READ_ONLY,
    )
}


def roles_of(role_ids: Iterable[str]) -> tuple[Role, ...]:
    """The roles behind ids, by name; an id that no version knows grants nothing."""
    known = (ROLES[role_id] for role_id in role_ids if role_id in ROLES)
    return tuple(sorted(known, key=lambda role: role.name))
