"""Rules that end operations of clients which run too long or are too many."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, Method, Rules, Wire
from shardhouse.contract.fields import Limit, Offset, integer, one_of
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.kill_rules import NodeType
from shardhouse.domain.model import Mode

RULES = f"{INSTANCE}/kill-op-rule"
MOST_RULES = 10
"""Of an instance."""
TYPES = ("insert", "update", "query", "command", "remove", "getmore")
STAGES = (
    *("COLLSCAN", "SORT_KEY_GENERATOR", "SKIP", "LIMIT"),
    *("GEO_NEAR_2DSPHERE", "GEO_NEAR_2D", "AGGREGATE", "OR"),
)
ENABLED, DISABLED = "ENABLED", "DISABLED"
ENABLE, DISABLE = "enable", "disable"
MOST_ADDRESSES = 5
MOST_CONCURRENT = 100_000
LONGEST = 86_400
_MODES = frozenset({Mode.SHARDING, Mode.REPLICA_SET})
Ids = Annotated[
    list[str],
    Rule(lambda field, value: rules.ids(field, value, MOST_RULES)),
    Field(description=f"1 to {MOST_RULES} ids of rules."),
]


class RuleBody(Wire):
    """Which operations, and when there is too much of them. `secs_running` and `max_concurrency`
    are not both 0."""

    operation_types: Annotated[
        list[str],
        Rule(lambda field, value: rules.subset(field, value, TYPES)),
        Field(description=f"Some of `{'`, `'.join(TYPES)}`."),
    ]
    namespaces: Annotated[
        tuple[str, ...],
        Rule(rules.kill_namespaces),
        Field(description="At most one database, or collection as `database.collection`."),
    ] = ()
    client_ips: Annotated[
        tuple[str, ...],
        Rule(lambda field, value: rules.addresses(field, value, MOST_ADDRESSES)),
        Field(description=f"At most {MOST_ADDRESSES} IPv4 addresses."),
    ] = ()
    plan_summary: Annotated[
        str,
        Rule(lambda field, value: rules.one_of_or_empty(field, value, STAGES)),
        Field(description=f"`{'`, `'.join(STAGES)}`."),
    ] = ""
    max_concurrency: Annotated[
        int,
        integer(0, MOST_CONCURRENT),
        Field(description="How many may run at each node; the newest beyond are ended."),
    ] = 0
    secs_running: Annotated[
        int,
        Rule(lambda field, value: rules.seconds_running(field, value, LONGEST)),
        Field(description=f"Seconds that each may run, 2 to {LONGEST}; 0 for no limit."),
    ] = 0
    node_type: Annotated[str, one_of(*NodeType)]


class RulesQuery(Wire):
    """Filters, and which page."""

    operation_types: Annotated[str, one_of(*TYPES), Field(description="Rules about this type.")] = (
        ""
    )
    namespaces: Annotated[
        str, Rule(rules.namespace), Field(description="Rules about just this namespace.")
    ] = ""
    status: Annotated[str, one_of(ENABLED, DISABLED)] = ""
    plan_summary: Annotated[str, one_of(*STAGES)] = ""
    offset: Offset = 0
    limit: Limit = 100


class RuleItem(Wire):
    """A rule. Lists are texts with commas; `killed`, an addition, is how many operations it has
    ended."""

    id: str
    operation_types: str
    status: str
    namespaces: str
    client_ips: str
    plan_summary: str
    max_concurrency: int
    secs_running: int
    node_type: str
    killed: int


class RulesAnswer(Wire):
    """One page, newest first."""

    rules: list[RuleItem]
    total_count: int


class SwitchRulesBody(Wire):
    """Which rules, and whether they work from now on."""

    ids: Ids
    action: Annotated[str, one_of(ENABLE, DISABLE)]


class RuleIdsBody(Wire):
    """Which rules."""

    ids: Ids


_EXAMPLE_ID = "00000000-0000-4000-8000-000000000000"
LIST_RULES = Call(
    "ShowKillOpRuleRuleList",
    Method.GET,
    RULES,
    summary="List an instance's rules for ending operations.",
    permission="dds:instance:getKillOpRule",
    query=RulesQuery,
    answer=RulesAnswer,
    rules=Rules(modes=_MODES),
)
CREATE_RULE = Call(
    "CreateKillOpRule",
    Method.POST,
    RULES,
    summary="Make a rule that ends operations of clients. It works when it is enabled.",
    permission="dds:instance:createKillOpRule",
    body=RuleBody,
    example={"operation_types": ["query"], "secs_running": 600, "node_type": "replica"},
    rules=Rules(modes=_MODES, idle=False),
)
SWITCH_RULES = Call(
    "UpdateKillOpRule",
    Method.PUT,
    RULES,
    summary="Enable or disable rules for ending operations.",
    permission="dds:instance:updateKillOpRule",
    body=SwitchRulesBody,
    example={"ids": [_EXAMPLE_ID], "action": ENABLE},
    rules=Rules(modes=_MODES, idle=False),
)
DELETE_RULES = Call(
    "DeleteKillOpRuleList",
    Method.DELETE,
    RULES,
    summary="Delete rules for ending operations, which must be disabled.",
    permission="dds:instance:deleteKillOpRule",
    body=RuleIdsBody,
    example={"ids": [_EXAMPLE_ID]},
    rules=Rules(modes=_MODES, idle=False),
)
CALLS = (LIST_RULES, CREATE_RULE, SWITCH_RULES, DELETE_RULES)
