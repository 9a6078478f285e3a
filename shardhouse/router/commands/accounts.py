"""Users and roles. They live on the config servers, which run these commands as they are."""

from __future__ import annotations

from shardhouse.router.auth.privileges import CLUSTER, Need, Resource
from shardhouse.router.auth.requirements import asked, update_user
from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.errors import CommandError, unauthorized
from shardhouse.router.upstream.client import MAJORITY_WRITE
from shardhouse.router.wire import raw

_RESERVED = 16766
"""What config servers answer whose service keeps rights for itself: indexes there take no document
that holds one of them."""
_RESERVED_TEXT = (
    "not authorized: a role or privilege in this command is reserved for the service. Roles on "
    "your own databases, readAnyDatabase, readWriteAnyDatabase, clusterMonitor and "
    "instanceAdministrator can be granted."
)


async def change(call: Call) -> raw.Document:
    """Any command that changes users or roles; takes effect here at once."""
    command = call.build(call.command.name, call.command.value)
    command["writeConcern"] = MAJORITY_WRITE
    try:
        return await call.on_config(command, db=call.db)
    except CommandError as error:
        if error.code != _RESERVED:
            raise
        raise unauthorized(_RESERVED_TEXT) from None
    finally:
        call.router.users.forget()


async def invalidate(call: Call) -> raw.Document:
    """invalidateUserCache."""
    call.router.users.forget()
    return {}


async def update_user_or_self(call: Call) -> raw.Document:
    """updateUser: someone else with privileges, oneself where one may change one's own."""
    own = call.session.identity == (call.db, call.command.value)
    changed = call.body.keys() & {"pwd", "customData", "roles", "mechanisms"}
    changed |= call.body.keys() & {"authenticationRestrictions"}
    database = Resource(call.db)
    actions = {"pwd": "changeOwnPassword", "customData": "changeOwnCustomData"}
    allowed = own and all(
        name in actions and call.privileges.allow(Need(database, actions[name])) for name in changed
    )
    if not allowed:
        call.require(update_user(call.command))
    return await change(call)


async def users_info(call: Call) -> raw.Document:
    """usersInfo: everyone may ask about oneself."""
    for database, name in asked(call.command.value, "user", call.db):
        if call.session.identity != (database, name):
            resource = CLUSTER if database is None else Resource(database)
            call.require([Need(resource, "viewUser")])
    return await _info(call)


async def roles_info(call: Call) -> raw.Document:
    """rolesInfo: everyone may ask about the roles one has."""
    held = {(role["db"], role["role"]) for role in (call.user.roles if call.user else ())}
    for database, name in asked(call.command.value, "role", call.db):
        if (database, name) not in held:
            resource = CLUSTER if database is None else Resource(database)
            call.require([Need(resource, "viewRole")])
    return await _info(call)


async def _info(call: Call) -> raw.Document:
    command = call.build(call.command.name, call.command.value)
    if command.get("showCredentials"):
        raise CommandError(13, "credentials are not shown through a router")
    return await call.on_config(command, db=call.db, attempts=READ_ATTEMPTS)
