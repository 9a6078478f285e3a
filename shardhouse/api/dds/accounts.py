"""Database users and roles. Passwords go to MongoDB at once and are kept nowhere else."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.accounts import (
    NamedRoleBody,
    NamedUserBody,
    RoleBody,
    RoleOption,
    RolesAnswer,
    RolesQuery,
    UserBody,
    UsersAnswer,
    UsersQuery,
)
from shardhouse.contract.call import Nothing
from shardhouse.domain import rules
from shardhouse.domain.model import Instance
from shardhouse.error_codes import ErrorCode
from shardhouse.errors import DdsError, MongoError
from shardhouse.mongo.accounts import Account, Accounts
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import router_users
from shardhouse.workflows.context import Context, set_plan, user_group

SECONDS = 20.0
"""For a majority to have a change."""
PATIENCE = 10.0
"""Seconds a node has to answer a question."""


def create_user(request: Request[Nothing, UserBody]) -> Nothing:
    """Make a user where users live, and see that all routers know it."""
    body, instance = request.body, request.ready_instance()
    rules.refuse_internal_user("user_name", body.user_name)
    context = request.service.context
    user = Account(body.user_name, body.db_name)
    with _accounts(context, instance, codes.USER_NOT_CREATED) as accounts:
        accounts.create_user(user, body.user_pwd, _roles(body.roles))
    router_users.await_password(context, instance, user.name, user.database, body.user_pwd)
    return Nothing()


def delete_user(request: Request[Nothing, NamedUserBody]) -> Nothing:
    """Delete a user where users live, and tell all routers."""
    body, instance = request.body, request.ready_instance()
    rules.refuse_internal_user("user_name", body.user_name)
    with _accounts(request.service.context, instance, codes.USER_NOT_DELETED) as accounts:
        accounts.delete_user(Account(body.user_name, body.db_name))
    router_users.refresh(request.service.context, instance)
    return Nothing()


def list_users(request: Request[UsersQuery, Nothing]) -> UsersAnswer:
    """A page of the users."""
    query, instance = request.query, request.instance()
    with _accounts(request.service.context, instance, codes.USERS_NOT_LISTED) as accounts:
        found, total = accounts.users(query.user_name, query.db_name, query.offset, query.limit)
    return UsersAnswer(users=json.dumps(found, default=str), total_count=total)


def create_role(request: Request[Nothing, RoleBody]) -> Nothing:
    """Make a role where users live."""
    body, instance = request.body, request.ready_instance()
    with _accounts(request.service.context, instance, codes.ROLE_NOT_CREATED) as accounts:
        accounts.create_role(Account(body.role_name, body.db_name), _roles(body.roles))
    return Nothing()


def delete_role(request: Request[Nothing, NamedRoleBody]) -> Nothing:
    """Delete a role where users live, and tell all routers."""
    body, instance = request.body, request.ready_instance()
    with _accounts(request.service.context, instance, codes.ROLE_NOT_DELETED) as accounts:
        accounts.delete_role(Account(body.role_name, body.db_name))
    router_users.refresh(request.service.context, instance)
    return Nothing()


def list_roles(request: Request[RolesQuery, Nothing]) -> RolesAnswer:
    """A page of the roles."""
    query, instance = request.query, request.instance()
    with _accounts(request.service.context, instance, codes.ROLES_NOT_LISTED) as accounts:
        found, total = accounts.roles(query.role_name, query.db_name, query.offset, query.limit)
    return RolesAnswer(roles=json.dumps(found, default=str), total_count=total)


def _roles(options: Sequence[RoleOption]) -> list[Account]:
    return [Account(one.role_name, one.role_db_name) for one in options]


@contextmanager
def _accounts(context: Context, instance: Instance, failure: ErrorCode) -> Iterator[Accounts]:
    """The instance's users and roles. Raises DdsError `failure` where MongoDB does not answer."""
    hosts = set_plan(user_group(instance)).visible
    try:
        with context.clients(instance, patience=PATIENCE) as clients:
            yield Accounts(hosts, clients, Deadline(SECONDS))
    except (MongoError, PyMongoError) as error:
        raise DdsError(failure, f"Instance {instance.id} does not answer: {error}") from None
