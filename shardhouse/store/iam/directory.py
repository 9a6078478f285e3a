"""Queries on domains, projects, users and role assignments.

Every query for a project or user names its domain: another domain's rows are never found.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    RowMapping,
    Select,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from shardhouse.store.iam.records import Assignment, Domain, Project, Standing, Target, User
from shardhouse.store.iam.tables import ASSIGNMENTS, DOMAINS, PROJECTS, USERS


def add_domain(connection: Connection, domain: Domain) -> None:
    """Raises IntegrityError when the name is taken."""
    connection.execute(insert(DOMAINS), vars(domain))


def domain(connection: Connection, domain_id: str) -> Domain | None:
    """The domain of that id."""
    row = connection.execute(select(DOMAINS).where(DOMAINS.c.id == domain_id)).mappings().first()
    return Domain(**row) if row else None


def domain_list(connection: Connection) -> list[Domain]:
    """All domains by name: for the installation itself, never for a caller."""
    found = connection.execute(select(DOMAINS).order_by(DOMAINS.c.name))
    return [Domain(**row) for row in found.mappings()]


def add_project(connection: Connection, project: Project) -> None:
    """Raises IntegrityError when the domain has a project of that name."""
    connection.execute(insert(PROJECTS), vars(project))


def project(connection: Connection, domain_id: str, project_id: str) -> Project | None:
    """The domain's project of that id."""
    found = select(PROJECTS).where(PROJECTS.c.domain_id == domain_id, PROJECTS.c.id == project_id)
    row = connection.execute(found).mappings().first()
    return Project(**row) if row else None


def project_id_named(connection: Connection, domain_id: str, name: str) -> str | None:
    """The id of the domain's project of that name."""
    found = select(PROJECTS.c.id).where(PROJECTS.c.domain_id == domain_id, PROJECTS.c.name == name)
    return connection.execute(found).scalar()


def project_list(
    connection: Connection, domain_id: str, *, only_of_user: str | None = None
) -> list[Project]:
    """The domain's projects by name; of one user: those with an assignment of the user."""
    found = select(PROJECTS).where(PROJECTS.c.domain_id == domain_id).order_by(PROJECTS.c.name)
    if only_of_user is not None:
        granted = select(ASSIGNMENTS.c.target_id).where(ASSIGNMENTS.c.user_id == only_of_user)
        found = found.where(
            or_(PROJECTS.c.id.in_(granted), PROJECTS.c.domain_id.in_(granted)),
        )
    return [Project(**row) for row in connection.execute(found).mappings()]


def change_project(connection: Connection, project_id: str, changes: Mapping[str, Any]) -> None:
    """Raises IntegrityError when a new name is taken."""
    connection.execute(update(PROJECTS).where(PROJECTS.c.id == project_id).values(**changes))


def remove_project(connection: Connection, project_id: str) -> None:
    """Its tokens and assignments go with it."""
    connection.execute(delete(ASSIGNMENTS).where(ASSIGNMENTS.c.target_id == project_id))
    connection.execute(delete(PROJECTS).where(PROJECTS.c.id == project_id))


def add_user(connection: Connection, user: User) -> None:
    """Raises IntegrityError when the domain has a user of that name."""
    connection.execute(insert(USERS), vars(user))


_USER = select(USERS).where(
    USERS.c.domain_id == bindparam("domain_id"), USERS.c.id == bindparam("user_id")
)


def user(connection: Connection, domain_id: str, user_id: str) -> User | None:
    """The domain's user of that id."""
    found = connection.execute(_USER, {"domain_id": domain_id, "user_id": user_id})
    row = found.mappings().first()
    return User(**row) if row else None


def user_who_may_log_in(
    connection: Connection,
    *,
    user_id: str | None,
    name: str | None,
    domain_id: str | None,
    domain_name: str | None,
) -> User | None:
    """The enabled user of an enabled domain, by id, or by name with the domain's id or name.

    One query, whatever is unknown or disabled: how long it takes gives nothing away.
    """
    found = (
        select(USERS)
        .join(DOMAINS, DOMAINS.c.id == USERS.c.domain_id)
        .where(USERS.c.enabled, DOMAINS.c.enabled)
    )
    if user_id is not None:
        found = found.where(USERS.c.id == user_id)
    else:
        in_domain = DOMAINS.c.id == domain_id if domain_id else DOMAINS.c.name == domain_name
        found = found.where(USERS.c.name == name, in_domain)
    row = connection.execute(found).mappings().first()
    return User(**row) if row else None


def user_list(connection: Connection, domain_id: str) -> list[User]:
    """The domain's users by name."""
    found = select(USERS).where(USERS.c.domain_id == domain_id).order_by(USERS.c.name)
    return [User(**row) for row in connection.execute(found).mappings()]


def change_user(connection: Connection, user_id: str, changes: Mapping[str, Any]) -> None:
    """Raises IntegrityError when a new name is taken."""
    connection.execute(update(USERS).where(USERS.c.id == user_id).values(**changes))


def remove_user(connection: Connection, user_id: str) -> None:
    """Assignments, access keys and tokens go with the user."""
    connection.execute(delete(USERS).where(USERS.c.id == user_id))


def assign(connection: Connection, assignment: Assignment) -> None:
    """Adds an assignment; one that exists already stays."""
    if not has_assignment(connection, assignment):
        connection.execute(insert(ASSIGNMENTS), vars(assignment))


def has_assignment(connection: Connection, assignment: Assignment) -> bool:
    """Whether exactly this assignment exists."""
    found = select(ASSIGNMENTS.c.user_id).filter_by(**vars(assignment))
    return connection.execute(found).first() is not None


def unassign(connection: Connection, assignment: Assignment) -> bool:
    """Removes an assignment; False when there is none."""
    return connection.execute(delete(ASSIGNMENTS).filter_by(**vars(assignment))).rowcount > 0


def assignment_list(connection: Connection, domain_id: str) -> list[Assignment]:
    """All assignments of a domain's users."""
    found = (
        select(ASSIGNMENTS)
        .join(USERS, USERS.c.id == ASSIGNMENTS.c.user_id)
        .where(USERS.c.domain_id == domain_id)
        .order_by(USERS.c.name, ASSIGNMENTS.c.target, ASSIGNMENTS.c.target_id)
    )
    return [Assignment(**row) for row in connection.execute(found).mappings()]


def assigned(
    connection: Connection, user_id: str, target: Target, target_id: str
) -> Sequence[Assignment]:
    """A user's assignments on exactly one project or domain."""
    found = select(ASSIGNMENTS).filter_by(user_id=user_id, target=target, target_id=target_id)
    return [Assignment(**row) for row in connection.execute(found).mappings()]


_STANDING_COLUMNS = (
    *(
        column.label(f"{prefix}_{column.name}")
        for prefix, table in (("u", USERS), ("d", DOMAINS), ("p", PROJECTS))
        for column in table.c
    ),
    ASSIGNMENTS.c.role_id.label("role_id"),
)


def standing_query(source: FromClause, project_id: Any) -> Select[Any]:
    """From rows with `users`: also the domain, the project (if it is the domain's), and one row
    for each role that counts there.
    """
    joined = (
        source.join(DOMAINS, DOMAINS.c.id == USERS.c.domain_id)
        .outerjoin(
            PROJECTS, and_(PROJECTS.c.domain_id == DOMAINS.c.id, PROJECTS.c.id == project_id)
        )
        .outerjoin(
            ASSIGNMENTS,
            and_(
                ASSIGNMENTS.c.user_id == USERS.c.id,
                or_(
                    ASSIGNMENTS.c.target_id == DOMAINS.c.id,
                    ASSIGNMENTS.c.target_id == PROJECTS.c.id,
                ),
            ),
        )
    )
    return select(*_STANDING_COLUMNS).select_from(joined)


_STANDING = standing_query(USERS, bindparam("project_id")).where(USERS.c.id == bindparam("user_id"))


def standing(connection: Connection, user_id: str, project_id: str | None) -> Standing | None:
    """What the user is in a project of their domain, or in the domain when `project_id` is None."""
    rows = connection.execute(_STANDING, {"user_id": user_id, "project_id": project_id})
    return standing_of(rows.mappings().all())


def standing_of(rows: Sequence[RowMapping]) -> Standing | None:
    """Turn the rows of a standing query into one record."""
    if not rows:
        return None
    row = rows[0]

    def part(prefix: str, table: Any) -> dict[str, Any]:
        return {column.name: row[f"{prefix}_{column.name}"] for column in table.c}

    return Standing(
        user=User(**part("u", USERS)),
        domain=Domain(**part("d", DOMAINS)),
        project=Project(**part("p", PROJECTS)) if row["p_id"] else None,
        role_ids=frozenset(row["role_id"] for row in rows if row["role_id"]),
    )
