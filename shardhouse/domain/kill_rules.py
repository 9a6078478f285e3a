"""Rules that end operations of clients which run too long or are too many. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shardhouse.domain.model import Mode
from shardhouse.domain.namespaces import covers
from shardhouse.domain.rules import SYSTEM_DATABASES


class NodeType(StrEnum):
    """At which nodes a rule counts and measures."""

    MONGOS_SHARD = "mongos_shard"
    MONGOS = "mongos"
    SHARD = "shard"
    REPLICA = "replica"

    @property
    def at_routers(self) -> bool:
        """Whether at each router."""
        return self in (NodeType.MONGOS, NodeType.MONGOS_SHARD)

    @property
    def at_members(self) -> bool:
        """Whether at each member of a shard or replica set."""
        return self is not NodeType.MONGOS

    @property
    def mode(self) -> Mode:
        """The mode of instances that have such nodes."""
        return Mode.REPLICA_SET if self is NodeType.REPLICA else Mode.SHARDING


@dataclass(frozen=True)
class KillRule:
    """A rule. It is about operations of these types, in `namespace`, from these addresses, with the
    stage `plan_summary` in their plan; what is empty does not narrow. Of these it ends what runs
    for more than `secs_running` seconds, and at each node the newest beyond `max_concurrency`; 0 is
    no limit. `killed` is how many it has ended."""

    id: str
    instance_id: str
    operation_types: tuple[str, ...]
    namespace: str
    client_ips: tuple[str, ...]
    plan_summary: str
    max_concurrency: int
    secs_running: int
    node_type: NodeType
    enabled: bool
    killed: int
    created_at: datetime


@dataclass(frozen=True)
class Work:
    """An operation of a client as a node sees it: `parts` are where it runs, each a member and the
    operation's number there."""

    type: str
    namespace: str
    address: str
    stages: frozenset[str]
    seconds: float
    parts: tuple[tuple[str, int], ...]


def concerns(rule: KillRule, work: Work) -> bool:
    """Whether a rule is about an operation; none is about MongoDB's own databases, where clients
    log in, commit transactions and watch."""
    return (
        work.namespace.partition(".")[0] not in SYSTEM_DATABASES
        and work.type in rule.operation_types
        and (not rule.namespace or covers(rule.namespace, work.namespace))
        and (not rule.client_ips or work.address in rule.client_ips)
        and (not rule.plan_summary or rule.plan_summary in work.stages)
    )


def excess(rule: KillRule, running: Sequence[Work]) -> list[Work]:
    """What a rule ends of all that runs at a node."""
    found = sorted((one for one in running if concerns(rule, one)), key=lambda one: -one.seconds)
    late = [one for one in found if rule.secs_running and one.seconds > rule.secs_running]
    others = found[len(late) :]
    return late + (others[rule.max_concurrency :] if rule.max_concurrency else [])
