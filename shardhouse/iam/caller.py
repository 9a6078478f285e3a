"""Who makes a request, after authentication: what every handler decides on."""

from dataclasses import dataclass
from typing import Literal

from shardhouse.errors import IamError
from shardhouse.iam.roles import Role, roles_of
from shardhouse.store.iam.records import Standing

How = Literal["token", "access_key", "temporary_key"]


@dataclass(frozen=True)
class Caller:
    """A user in the scope of one project, or of the user's domain when `project_id` is None.

    `roles` are those that count in that scope at this moment; `how` says how the user logged in;
    `session_generation` is the user's at this moment.
    """

    user_id: str
    user_name: str
    domain_id: str
    domain_name: str
    project_id: str | None
    project_name: str | None
    roles: tuple[Role, ...]
    how: How
    session_generation: int

    @property
    def may_read(self) -> bool:
        """Whether the user may look at DDS resources of the project."""
        return any(role.reads for role in self.roles)

    @property
    def may_write(self) -> bool:
        """Whether the user may change DDS resources of the project."""
        return any(role.writes for role in self.roles)

    @property
    def administers(self) -> bool:
        """Whether the user administers the domain's users, projects and keys."""
        return any(role.administers for role in self.roles)

    def require_administrator(self) -> None:
        """Raises IamError 403 for everybody but an administrator of the domain."""
        if not self.administers:
            raise IamError(
                f"User {self.user_name} may not do this: the role secu_admin (Security "
                f"Administrator) on domain {self.domain_name} is needed.",
                status=403,
            )

    def require_self_or_administrator(self, user_id: str) -> None:
        """Raises IamError 403 when the matter is another user's and the caller no administrator."""
        if user_id != self.user_id:
            self.require_administrator()


def caller_of(standing: Standing, how: How) -> Caller:
    """The caller with this standing; a disabled project counts as none."""
    project = standing.project if standing.project and standing.project.enabled else None
    return Caller(
        user_id=standing.user.id,
        user_name=standing.user.name,
        domain_id=standing.domain.id,
        domain_name=standing.domain.name,
        project_id=project.id if project else None,
        project_name=project.name if project else None,
        roles=roles_of(standing.role_ids),
        how=how,
        session_generation=standing.user.session_generation,
    )
