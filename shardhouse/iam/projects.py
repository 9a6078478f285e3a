"""Projects of a domain, and who may see and change them."""

import re
import uuid
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shardhouse.errors import IamError
from shardhouse.iam.caller import Caller
from shardhouse.iam.clock import Clock
from shardhouse.iam.refusals import not_found
from shardhouse.store.database import Database
from shardhouse.store.iam import directory
from shardhouse.store.iam.records import Domain, Project
from shardhouse.store.neighbours import networks

PROJECT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
DESCRIPTION_LENGTH = 255


def new_id() -> str:
    """An id of anything in IAM: 32 lower-case hex characters."""
    return uuid.uuid4().hex


def check_description(description: str) -> None:
    """Raises IamError 400 for a description of more than 255 characters."""
    if len(description) > DESCRIPTION_LENGTH:
        raise IamError(f"description: at most {DESCRIPTION_LENGTH} characters.")


class Projects:
    """The projects of the caller's domain."""

    def __init__(
        self, database: Database, clock: Clock, in_use: Callable[[str], bool] = lambda _id: False
    ) -> None:
        """`in_use` says whether a project still owns something and so must stay."""
        self._database = database
        self._clock = clock
        self._in_use = in_use

    def all(self, caller: Caller) -> list[Project]:
        """For an administrator all projects, for others those they have a role on."""
        with self._database.read() as connection:
            return directory.project_list(
                connection,
                caller.domain_id,
                only_of_user=None if caller.administers else caller.user_id,
            )

    def of_user(self, caller: Caller, user_id: str) -> list[Project]:
        """Projects on which a role of the user counts. Raises IamError 403, 404."""
        caller.require_self_or_administrator(user_id)
        with self._database.read() as connection:
            if directory.user(connection, caller.domain_id, user_id) is None:
                raise not_found("user", user_id)
            return directory.project_list(connection, caller.domain_id, only_of_user=user_id)

    def show(self, caller: Caller, project_id: str) -> Project:
        """One of those `all` gives. Raises IamError 404."""
        for project in self.all(caller):
            if project.id == project_id:
                return project
        raise not_found("project", project_id)

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        description: str,
        parent_id: str | None,
        domain_id: str | None,
        enabled: bool,
    ) -> Project:
        """A new project, with a VPC, a subnet and a security group.

        Raises IamError: 400 for a wrong name, 403, 404 for an unknown parent, 409.
        """
        caller.require_administrator()
        check_own_domain(caller, domain_id)
        _check_project_name(name)
        check_description(description)
        parent_id = parent_id or caller.domain_id
        project = Project(
            id=new_id(),
            domain_id=caller.domain_id,
            parent_id=parent_id,
            name=name,
            description=description,
            enabled=enabled,
            created_at=self._clock(),
        )
        try:
            with self._database.write() as connection:
                if parent_id != caller.domain_id:
                    require_project(connection, caller, parent_id)
                directory.add_project(connection, project)
                networks.ensure_defaults(connection, project.id)
        except IntegrityError:
            raise IamError(f"project.name: {name} exists already.", status=409) from None
        return project

    def change(
        self,
        caller: Caller,
        project_id: str,
        *,
        name: str | None,
        description: str | None,
        enabled: bool | None,
    ) -> Project:
        """Change what is given. Raises IamError 400, 403, 404, 409."""
        caller.require_administrator()
        if name is not None:
            _check_project_name(name)
        check_description(description or "")
        given = {"name": name, "description": description, "enabled": enabled}
        changes = {field: value for field, value in given.items() if value is not None}
        try:
            with self._database.write() as connection:
                project = require_project(connection, caller, project_id)
                if changes:
                    directory.change_project(connection, project_id, changes)
        except IntegrityError:
            raise IamError(f"project.name: {name} exists already.", status=409) from None
        return replace(project, **changes)  # type: ignore[arg-type]  # fields by their own names

    def delete(self, caller: Caller, project_id: str) -> None:
        """Raises IamError 403, 404, and 409 while the project owns something."""
        caller.require_administrator()
        with self._database.write() as connection:
            project = require_project(connection, caller, project_id)
            if self._in_use(project_id):
                raise IamError(
                    f"Project {project.name} still has instances; delete them first.", status=409
                )
            directory.remove_project(connection, project_id)

    def domain(self, caller: Caller) -> Domain:
        """The caller's own domain."""
        with self._database.read() as connection:
            domain = directory.domain(connection, caller.domain_id)
        if domain is None:
            raise not_found("domain", caller.domain_id)
        return domain


def require_project(connection: Connection, caller: Caller, project_id: str) -> Project:
    """The domain's project. Raises IamError 404."""
    project = directory.project(connection, caller.domain_id, project_id)
    if project is None:
        raise not_found("project", project_id)
    return project


def check_own_domain(caller: Caller, domain_id: str | None) -> None:
    """Raises IamError 403 when another domain than the caller's is named."""
    if domain_id not in (None, caller.domain_id):
        raise IamError(
            f"domain_id: only your own domain {caller.domain_id} is allowed.", status=403
        )


def _check_project_name(name: str) -> None:
    if not PROJECT_NAME.fullmatch(name):
        raise IamError("project.name: 1 to 64 letters, digits, hyphens and underscores.")
