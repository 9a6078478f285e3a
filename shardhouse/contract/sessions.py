"""Sessions of clients at a node: listed, and ended."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Method, Rules, Wire
from shardhouse.contract.fields import Limit, Offset, integer, one_of
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Status

NODE = "/v3/{project_id}/nodes/{node_id}"
MOST_KILLED = 100
LONGEST = 2**53
TYPES = ("none", "update", "insert", "query", "command", "getmore", "remove", "killcursors")
_SERVING = frozenset({Status.NORMAL, Status.ABNORMAL, Status.DATA_DISK_FULL, Status.ENLARGE_FAIL})


class SessionsQuery(Wire):
    """Filters, all of which must match, and which page."""

    plan_summary: Annotated[
        str,
        Rule(rules.plan_stage),
        Field(description="A stage of the execution plan, `COLLSCAN`, `IXSCAN`, `SORT` ..."),
    ] = ""
    type: Annotated[str, one_of(*TYPES, code=codes.OPERATION_TYPE_INVALID)] = ""
    namespace: Annotated[
        str,
        Rule(lambda field, value: rules.namespace(field, value, codes.NAMESPACE_INVALID)),
        Field(description="A database, or `database.collection`."),
    ] = ""
    cost_time: Annotated[
        int,
        integer(0, LONGEST, codes.COST_TIME_INVALID),
        Field(description="Microseconds that operations have run for at least."),
    ] = 0
    offset: Offset = 0
    limit: Limit = 10


class SessionItem(Wire):
    """What a client runs; an idle connection is not `active`. `cost_time` is in microseconds, as
    text."""

    id: str
    active: bool
    operation: str
    type: str
    cost_time: str
    plan_summary: str
    host: str
    client: str
    description: str
    namespace: str
    db: str
    user: str


class SessionsAnswer(Wire):
    """What clients run at the node now, the longest first, then their idle connections, which a
    router does not list."""

    sessions: list[SessionItem]
    total_count: int


class KillBody(Wire):
    """Which sessions."""

    sessions: Annotated[
        list[str],
        Rule(lambda field, value: rules.session_ids(field, value, MOST_KILLED)),
        Field(description=f"1 to {MOST_KILLED} ids of the list; idle ones cannot be ended."),
    ]


LIST_SESSIONS = Call(
    "ListSessions",
    Method.GET,
    f"{NODE}/sessions",
    summary="What clients do at a node now: a router, or a member of a replica set.",
    permission="dds:instance:listSession",
    query=SessionsQuery,
    answer=SessionsAnswer,
)
KILL_SESSIONS = Call(
    "DeleteSession",
    Method.POST,
    f"{NODE}/session",
    summary="End what sessions run now. Their connections stay open.",
    permission="dds:instance:deleteSession",
    body=KillBody,
    example={"sessions": ["31507"]},
    rules=Rules(statuses=_SERVING, idle=False),
)
CALLS = (LIST_SESSIONS, KILL_SESSIONS)
