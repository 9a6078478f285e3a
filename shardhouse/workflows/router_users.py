"""What routers know of users: they keep it for a while, so that they are told of changes."""

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain.model import GroupType, Instance
from shardhouse.errors import MongoError
from shardhouse.mongo import login
from shardhouse.mongo.admin import accepts
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows.context import Context, parallel_map

SECONDS = 35.0
"""For a router to take a password; MongoDB's own may keep an old one for thirty."""
PATIENCE = 3.0
"""Seconds a router has to answer."""
log = structlog.get_logger()


def refresh(context: Context, instance: Instance) -> None:
    """Have all routers that are up forget what they know of users and roles. One that is not well
    learns later."""

    def forget(host: str) -> None:
        try:
            clients[host].admin.command("invalidateUserCache")
        except PyMongoError as error:
            reason = type(error).__name__
            log.warning("router keeps its users for now", instance=instance.id, reason=reason)

    with context.clients(instance, timeout=PATIENCE, patience=PATIENCE) as clients:
        parallel_map(forget, filter(accepts, _hosts(instance)))


def await_password(
    context: Context, instance: Instance, user: str, database: str, password: str
) -> None:
    """Wait until all routers that are up take a user's new password and no other. One that is not
    well learns later."""
    refresh(context, instance)
    authority = context.authority_file(instance)
    try:
        login.await_routers(
            _hosts(instance), user, database, password, authority, Deadline(SECONDS)
        )
    except MongoError as error:
        log.warning("router without a password", instance=instance.id, reason=error.message)


def _hosts(instance: Instance) -> list[str]:
    return [node.host for group in instance.of_type(GroupType.MONGOS) for node in group.nodes]
