"""Database users and roles: made, listed, deleted."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import Limit, Offset, Password
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.contract.passwords import UserName
from shardhouse.domain import rules

RoleName = Annotated[
    str, Rule(rules.database_role), Field(description="1 to 64 letters, digits, `-`, `_` and `.`.")
]
DatabaseName = Annotated[
    str,
    Rule(rules.account_database),
    Field(description="1 to 64 letters, digits and `_`; `admin` where it is empty."),
]
AnyDatabase = Annotated[
    str, Rule(rules.database_name), Field(description="1 to 64 letters, digits and `_`.")
]


class RoleOption(Wire):
    """A role, by its name and its database."""

    role_db_name: AnyDatabase
    role_name: RoleName


class UserBody(Wire):
    """A new user; without roles it may do nothing."""

    user_name: UserName
    user_pwd: Password
    db_name: DatabaseName = "admin"
    roles: list[RoleOption]


class NamedUserBody(Wire):
    """Which user."""

    user_name: UserName
    db_name: DatabaseName


class UsersQuery(Wire):
    """Filters, and which page. Users of all databases where `db_name` is missing."""

    user_name: Annotated[str, Rule(rules.database_user)] = ""
    db_name: Annotated[str, Rule(rules.database_name)] = ""
    offset: Offset = 0
    limit: Limit = 100


class UsersAnswer(Wire):
    """One page by database and name. `users` is a text: a JSON array of users as MongoDB describes
    them, with all they inherit."""

    users: str
    total_count: int


class RoleBody(Wire):
    """A new role, which inherits all that `roles` may do. Outside `admin` it inherits from its own
    database only."""

    role_name: RoleName
    db_name: DatabaseName = "admin"
    roles: tuple[RoleOption, ...] = ()


class NamedRoleBody(Wire):
    """Which role."""

    role_name: RoleName
    db_name: DatabaseName


class RolesQuery(Wire):
    """Filters, and which page. Roles of all databases where `db_name` is missing; a built-in role
    is found by its name only, in `admin` where `db_name` is missing."""

    role_name: Annotated[str, Rule(rules.database_role)] = ""
    db_name: Annotated[str, Rule(rules.database_name)] = ""
    offset: Offset = 0
    limit: Limit = 100


class RolesAnswer(Wire):
    """One page by database and name. `roles` is a text: a JSON array of roles as MongoDB describes
    them, with all they inherit."""

    roles: str
    total_count: int


CREATE_USER = Call(
    "CreateDatabaseUser",
    Method.POST,
    f"{INSTANCE}/db-user",
    summary="Make a database user.",
    permission="dds:instance:createDatabaseUser",
    body=UserBody,
    example={
        "user_name": "clerk",
        "user_pwd": "Other#Secret-7",
        "db_name": "shop",
        "roles": [{"role_db_name": "shop", "role_name": "readWrite"}],
    },
)
DELETE_USER = Call(
    "DeleteDatabaseUser",
    Method.DELETE,
    f"{INSTANCE}/db-user",
    summary="Delete a database user. Its connections lose their rights.",
    permission="dds:instance:deleteDatabaseUser",
    body=NamedUserBody,
    example={"user_name": "clerk", "db_name": "shop"},
)
LIST_USERS = Call(
    "ListDatabaseUsers",
    Method.GET,
    f"{INSTANCE}/db-user/detail",
    summary="List database users, and what they may do.",
    permission="dds:instance:getDatabaseUser",
    query=UsersQuery,
    answer=UsersAnswer,
)
CREATE_ROLE = Call(
    "CreateDatabaseRole",
    Method.POST,
    f"{INSTANCE}/db-role",
    summary="Make a database role of other roles.",
    permission="dds:instance:createDatabaseRole",
    body=RoleBody,
    example={
        "role_name": "buyer",
        "db_name": "shop",
        "roles": [{"role_db_name": "shop", "role_name": "read"}],
    },
)
DELETE_ROLE = Call(
    "DeleteDatabaseRole",
    Method.DELETE,
    f"{INSTANCE}/db-role",
    summary="Delete a database role, also from the users and roles that have it.",
    permission="dds:instance:deleteDatabaseRole",
    body=NamedRoleBody,
    example={"role_name": "buyer", "db_name": "shop"},
)
LIST_ROLES = Call(
    "ListDatabaseRoles",
    Method.GET,
    f"{INSTANCE}/db-roles",
    summary="List database roles, and what they allow.",
    permission="dds:instance:getDatabaseRole",
    query=RolesQuery,
    answer=RolesAnswer,
)
CALLS = (CREATE_USER, DELETE_USER, LIST_USERS, CREATE_ROLE, DELETE_ROLE, LIST_ROLES)
