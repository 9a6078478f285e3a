"""What would make an instance faster or smaller. All ours."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import Limit, integer
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.logs import DAYS
from shardhouse.domain.events import Severity


class Kind(StrEnum):
    """What a finding is about."""

    SLOW_QUERY = "slow_query"
    UNSHARDED_COLLECTION = "unsharded_collection"
    HOT_SHARD = "hot_shard"
    REDUNDANT_INDEX = "redundant_index"
    UNUSED_INDEX = "unused_index"


class AdviceQuery(Wire):
    """How far to look back, and from where on something is worth telling."""

    hours: Annotated[
        int, integer(1, DAYS * 24), Field(description="Hours of slow operations to look back.")
    ] = 24
    limit: Annotated[Limit, Field(description="Findings of each kind, 1 to 100.")] = 20
    unused_days: Annotated[
        int,
        integer(0, 365),
        Field(
            description="An index is unused if no member has used it for so many days at least; "
            "members forget when they start."
        ),
    ] = 7
    big_megabytes: Annotated[
        int,
        integer(0, 1 << 30),
        Field(
            description="Of clusters: more data than this should have a shard key, and is worth "
            "comparing between shards."
        ),
    ] = 1024
    hot_operations: Annotated[
        int,
        integer(0, 1 << 40),
        Field(description="Of clusters: a shard with fewer operations is not called hot."),
    ] = 10_000


class Plan(Wire):
    """How a query was done: `summary` as in logs, documents and index keys that were examined,
    documents returned, milliseconds it took."""

    summary: str
    documents_examined: int
    keys_examined: int
    documents_returned: int
    milliseconds: int


class Estimate(Wire):
    """What a query would examine with the suggested index: documents of the whole collection, as
    estimated from `sampled` documents, of which `matching` lie in the index's bounds."""

    documents_examined: int
    sampled: int
    matching: int


class SlowQuery(Wire):
    """Slow operations of one shape. Times are milliseconds; documents are those of all operations
    together; `plan` is the slowest one's. `before` is an explain of it now, `after` an estimate for
    the suggested index; null where there is none."""

    command: str
    shape: str
    sort: str
    operations: int
    total_milliseconds: int
    longest_milliseconds: int
    documents_examined: int
    documents_returned: int
    sorted_in_memory: bool
    plan: str
    before: Plan | None
    after: Estimate | None


class IndexUse(Wire):
    """An index, its size in bytes on one member of each shard, and how often all members together
    have used it since when. `covered_by` is the index that does its work."""

    name: str
    key: str
    size: int
    operations: int | None
    since: str | None
    covered_by: str


class CollectionSize(Wire):
    """A collection: documents, bytes of them, and the shard that has it."""

    documents: int
    size: int
    shard: str


class ShardLoad(Wire):
    """A shard: operations since its members were started and each second, bytes of documents; and
    the mean of the other shards."""

    name: str
    operations: int
    operations_per_second: float
    others_per_second: float
    size: int
    others_size: int


class Finding(Wire):
    """One advice. `message` says it; `command` is for mongosh and empty where no single command
    helps. Of the four parts of evidence one is there, by `kind`. No value of a client is shown."""

    kind: Kind
    severity: Severity
    namespace: str
    message: str
    command: str
    query: SlowQuery | None = None
    index: IndexUse | None = None
    collection: CollectionSize | None = None
    shard: ShardLoad | None = None


class AdviceAnswer(Wire):
    """What was found, by kind, the most important first; how many slow operations that is based on;
    and, in words, what could not be judged."""

    findings: list[Finding]
    slow_operations: int
    not_judged: list[str]


SHOW_ADVICE = Call(
    "ShowAdvice",
    Method.GET,
    f"{INSTANCE}/advice",
    summary="Slow queries and the indexes that would help, indexes that nothing needs, collections "
    "that should be sharded, hot shards.",
    permission="dds:instance:listSlowLog",
    query=AdviceQuery,
    answer=AdviceAnswer,
    addition=True,
)
CALLS = (SHOW_ADVICE,)
