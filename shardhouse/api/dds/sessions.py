"""Sessions of clients at a node."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pymongo.errors import PyMongoError

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.sessions import KillBody, SessionItem, SessionsAnswer, SessionsQuery
from shardhouse.domain.model import Group, GroupType, Instance, Node, Role
from shardhouse.domain.namespaces import covers
from shardhouse.error_codes import ErrorCode
from shardhouse.errors import DdsError, MongoError
from shardhouse.mongo import client_operations
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.client_operations import ClientOperation
from shardhouse.workflows import client_work
from shardhouse.workflows.client_work import Read
from shardhouse.workflows.context import Context, parallel_map

PATIENCE = 5.0
"""Seconds a node has to answer."""


def list_sessions(request: Request[SessionsQuery, Nothing]) -> SessionsAnswer:
    """A page of what clients do at a node. Raises DdsError 400 where it does not answer."""
    query, context, instance = request.query, request.service.context, request.instance()
    with _connected(context, instance, codes.SESSIONS_NOT_LISTED) as clients:
        found = _at_node(context, instance, request.path["node_id"], clients, _READ_ALL)
    chosen = [pair for pair in found.items() if _is_wanted(query, pair[1])]
    chosen.sort(key=lambda pair: (pair[1].id is None, -pair[1].microseconds, pair[0]))
    page = chosen[query.offset : query.offset + query.limit]
    return SessionsAnswer(sessions=[_item(*pair) for pair in page], total_count=len(chosen))


def kill_sessions(request: Request[Nothing, KillBody]) -> Nothing:
    """End what sessions run. Raises DdsError 400 for those that run nothing (any more), when the
    others are ended, and where the node does not answer."""
    context, instance = request.service.context, request.ready_instance()
    asked = dict.fromkeys(request.body.sessions)
    with _connected(context, instance, codes.SESSION_NOT_KILLED) as clients:
        found = _at_node(
            context, instance, request.path["node_id"], clients, client_operations.running
        )
        chosen = [found[one] for one in asked if one in found]
        parallel_map(partial(_kill, clients), chosen)
    if missing := [one for one in asked if one not in found]:
        raise DdsError(
            codes.SESSION_NOT_KILLED,
            f"Nothing of a client runs in {', '.join(missing)}: an idle session, or one that has "
            "ended, cannot be killed. All others were.",
        )
    return Nothing()


_READ_ALL: Read = client_operations.sessions


@contextmanager
def _connected(context: Context, instance: Instance, failure: ErrorCode) -> Iterator[Clients]:
    """Connections to an instance. Raises DdsError `failure` where MongoDB does not answer."""
    try:
        with context.clients(instance, timeout=PATIENCE, patience=PATIENCE) as clients:
            yield clients
    except (MongoError, PyMongoError) as error:
        raise DdsError(failure, f"The node does not answer: {error}") from None


def _at_node(
    context: Context, instance: Instance, node_id: str, clients: Clients, read: Read
) -> dict[str, ClientOperation]:
    """What clients do at a node, by the session's id."""
    group, node = instance.place_of(node_id)
    if group.type is not GroupType.MONGOS:
        found = read(clients[node.host], node.host)
        return {one.connection if one.id is None else str(one.id): one for one in found}
    places = {node.host: (group, node) for group in instance.data_groups for node in group.nodes}
    everywhere = client_work.at_members(clients, (node for _, node in places.values()), read)
    routed = client_work.through_router(context, instance, node, everywhere)
    return {f"{_place(*places[one.host])}:{one.id}": one for one in routed}


def _place(group: Group, node: Node) -> str:
    """How a router's sessions name the member they work at: a primary by its shard, as mongos
    does."""
    return group.name if node.role is Role.PRIMARY else node.name


def _is_wanted(query: SessionsQuery, one: ClientOperation) -> bool:
    return (
        (not query.type or one.kind == query.type)
        and (not query.plan_summary or query.plan_summary in one.stages)
        and (not query.namespace or covers(query.namespace, one.namespace))
        and one.microseconds >= query.cost_time
    )


def _kill(clients: Clients, one: ClientOperation) -> None:
    assert one.id is not None  # `running` lists no others
    client_operations.kill(clients[one.host], one.id)


def _item(session_id: str, one: ClientOperation) -> SessionItem:
    return SessionItem(
        id=session_id,
        active=one.id is not None,
        operation=one.text,
        type=one.kind,
        cost_time=str(one.microseconds),
        plan_summary=one.plan,
        host=one.host,
        client=one.client,
        description=one.connection,
        namespace=one.namespace,
        db=one.database,
        user=one.user,
    )
