"""Role assignments: which of the domain's users may do what, on the domain or its projects."""

from sqlalchemy import Connection

from shardhouse.errors import IamError
from shardhouse.iam.caller import Caller
from shardhouse.iam.projects import require_project
from shardhouse.iam.refusals import not_found
from shardhouse.iam.roles import ROLES, SECURITY_ADMINISTRATOR, Role, roles_of
from shardhouse.store.database import Database
from shardhouse.store.iam import credentials, directory
from shardhouse.store.iam.records import Assignment, Target


class Assignments:
    """Which roles the domain's users have, on the domain or its projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, caller: Caller) -> list[Assignment]:
        """All of the domain for an administrator, their own for all others."""
        with self._database.read() as connection:
            found = directory.assignment_list(connection, caller.domain_id)
        return [a for a in found if caller.administers or a.user_id == caller.user_id]

    def roles(
        self, caller: Caller, target: Target, target_id: str, user_id: str
    ) -> tuple[Role, ...]:
        """A user's roles on exactly this target. Raises IamError 403, 404."""
        caller.require_self_or_administrator(user_id)
        with self._database.read() as connection:
            _check_target(connection, caller, target, target_id, user_id)
            found = directory.assigned(connection, user_id, target, target_id)
        return roles_of(assignment.role_id for assignment in found)

    def add(self, caller: Caller, assignment: Assignment) -> None:
        """Assign a role; harmless when it is assigned already. Raises IamError 400, 403, 404."""
        role = self._check(caller, assignment)
        if role.administers and assignment.target != "domain":
            raise IamError(f"Role {role.name} can be assigned on a domain only.")
        with self._database.write() as connection:
            _check_target(
                connection, caller, assignment.target, assignment.target_id, assignment.user_id
            )
            directory.assign(connection, assignment)

    def remove(self, caller: Caller, assignment: Assignment) -> None:
        """Take a role away; the user's tokens end. Raises IamError 403, 404."""
        role = self._check(caller, assignment)
        if role is SECURITY_ADMINISTRATOR and assignment.user_id == caller.user_id:
            raise IamError(
                f"You cannot take the role {role.name} from yourself: the domain would lose its "
                "administrator. Let another administrator do it.",
                status=403,
            )
        with self._database.write() as connection:
            _check_target(
                connection, caller, assignment.target, assignment.target_id, assignment.user_id
            )
            if not directory.unassign(connection, assignment):
                raise not_found("role assignment", role.name)
            credentials.remove_tokens_of(connection, assignment.user_id)

    def _check(self, caller: Caller, assignment: Assignment) -> Role:
        caller.require_administrator()
        role = ROLES.get(assignment.role_id)
        if role is None:
            raise not_found("role", assignment.role_id)
        return role


def _check_target(
    connection: Connection, caller: Caller, target: Target, target_id: str, user_id: str
) -> None:
    if target == "project":
        require_project(connection, caller, target_id)
    elif target_id != caller.domain_id:
        raise not_found("domain", target_id)
    if directory.user(connection, caller.domain_id, user_id) is None:
        raise not_found("user", user_id)
