"""The one table of parameters that clients may set: what each is, for which nodes, and how a server
is given it. Pure.

Names, types and most ranges are those of DDS ("Parameters" of its user guides) or, where it has
none, of MongoDB's configuration file. Defaults are those of the servers as the service starts them,
which tests compare. What the service itself decides (addresses, TLS, access control, replication)
is no parameter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shardhouse import error_codes as codes
from shardhouse.domain import rules
from shardhouse.domain.model import Group, GroupType, MemberRole, Node
from shardhouse.errors import bad_parameter

Release = tuple[int, int]
"""Major and minor version, `(6, 0)`."""
DEFAULT = "default"
"""The value that stands for what follows from a node's flavor, until another is set."""


class NodeType(StrEnum):
    """What nodes do, as parameter templates tell them apart."""

    MONGOS = "mongos"
    SHARD = "shard"
    CONFIG = "config"
    REPLICA = "replica"
    SINGLE = "single"
    READONLY = "readonly"
    SHARD_READONLY = "shard_readonly"


class Kind(StrEnum):
    """Types of values."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRING = "string"


class Way(StrEnum):
    """How a server is given a value, and asked for it. Those of `AT_START` need a new process."""

    PARAMETER = "setParameter"
    START_PARAMETER = "setParameter at start"
    CONNECTIONS = "--maxConns"
    PROFILING = "--profile"
    SLOW_THRESHOLD = "--slowms"
    SLOW_SAMPLE_RATE = "--slowOpSampleRate"
    SCRIPTING = "--noscripting"
    CACHE = "--wiredTigerCacheSizeGB"


AT_START = frozenset({Way.START_PARAMETER, Way.CONNECTIONS, Way.PROFILING, Way.SCRIPTING})
_DATA = frozenset(NodeType) - {NodeType.MONGOS, NodeType.CONFIG}
_MONGOD = _DATA | {NodeType.CONFIG}
_ALL = frozenset(NodeType)
_SHARDS = frozenset({NodeType.SHARD, NodeType.SHARD_READONLY})
_BOOLEANS = ("true", "false")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


@dataclass(frozen=True)
class Parameter:
    """One row. Values are texts, as the API has them; `allowed` is a range of numbers or the words.
    It exists for nodes of `node_types` whose release is `first` or newer, up to `last`."""

    name: str
    kind: Kind
    allowed: Range | tuple[str, ...]
    default: str
    way: Way
    node_types: frozenset[NodeType]
    description: str
    first: Release = (4, 4)
    last: Release | None = None

    @property
    def restart_required(self) -> bool:
        """Whether only a process that is started later has another value."""
        return self.way in AT_START

    @property
    def value_range(self) -> str:
        """What is allowed, as the API writes it: `1-100`, `true|false`."""
        return str(self.allowed) if isinstance(self.allowed, Range) else "|".join(self.allowed)

    def exists(self, node_type: NodeType, release: Release) -> bool:
        """Whether nodes of this type and release have it."""
        newest = self.last is None or release <= self.last
        return node_type in self.node_types and self.first <= release and newest

    def checked(self, value: object) -> str:
        """A value as it is kept: the same text for equal values. Raises DdsError 400 for one that
        is not allowed."""
        given = str(value).lower() if isinstance(value, bool) else str(value).strip()
        if given == DEFAULT == self.default:
            return given
        found = self._allowed(given)
        if found is None:
            raise bad_parameter(
                f"parameter_values.{self.name}",
                f"{self.value_range} is allowed, got {rules.shown(value)}",
                codes.PARAMETER_INVALID,
            )
        return found

    def typed(self, value: str) -> int | float | bool | str:
        """A value that is kept, as the server takes it."""
        match self.kind:
            case Kind.INTEGER:
                return int(value)
            case Kind.FLOAT:
                return float(value)
            case Kind.BOOLEAN:
                return value == "true"
            case Kind.STRING:
                return value

    def as_kept(self, value: object) -> str:
        """A value that a server reports, as it is kept."""
        match self.kind:
            case Kind.INTEGER:
                return str(int(str(value)))
            case Kind.FLOAT:
                return f"{float(str(value)):g}"
            case Kind.BOOLEAN:
                return str(bool(value)).lower()
            case Kind.STRING:
                return str(value)

    def _allowed(self, given: str) -> str | None:
        if not isinstance(self.allowed, Range):
            return next((word for word in self.allowed if word.lower() == given.lower()), None)
        try:
            number = int(given) if self.kind is Kind.INTEGER else float(given)
        except ValueError:
            return None
        return self.as_kept(number) if self.allowed.low <= number <= self.allowed.high else None


PARAMETERS = (
    Parameter(
        "connPoolMaxConnsPerHost",
        Kind.INTEGER,
        Range(200, 2000),
        "200",
        Way.START_PARAMETER,
        _MONGOD,
        "Connections that a node keeps open to each other node for later use.",
    ),
    Parameter(
        "connPoolMaxShardedConnsPerHost",
        Kind.INTEGER,
        Range(200, 2000),
        "200",
        Way.START_PARAMETER,
        _MONGOD,
        "Connections that a node keeps open to each shard for later use.",
        last=(4, 4),
    ),
    Parameter(
        "cursorTimeoutMillis",
        Kind.INTEGER,
        Range(600_000, 1_000_000),
        "600000",
        Way.PARAMETER,
        _ALL,
        "Milliseconds after which a cursor that nobody uses is closed.",
    ),
    Parameter(
        "disableJavaScriptJIT",
        Kind.BOOLEAN,
        _BOOLEANS,
        "true",
        Way.PARAMETER,
        _DATA,
        "Whether JavaScript is interpreted, not compiled.",
    ),
    Parameter(
        "enableFlowControl",
        Kind.BOOLEAN,
        _BOOLEANS,
        "true",
        Way.PARAMETER,
        _DATA,
        "Whether a primary slows writes down while a majority lags behind.",
    ),
    Parameter(
        "flowControlTargetLagSeconds",
        Kind.INTEGER,
        Range(1, 600),
        "10",
        Way.PARAMETER,
        _DATA,
        "Seconds that a majority may lag behind before writes are slowed down.",
    ),
    Parameter(
        "internalQueryMaxBlockingSortMemoryUsageBytes",
        Kind.INTEGER,
        Range(33_554_432, 1_073_741_824),
        "104857600",
        Way.PARAMETER,
        _DATA,
        "Bytes of memory that one sort without an index may take.",
    ),
    Parameter(
        "maxIndexBuildMemoryUsageMegabytes",
        Kind.INTEGER,
        Range(50, 4096),
        "200",
        Way.PARAMETER,
        _DATA,
        "Megabytes of memory that the index builds of one command may take.",
    ),
    Parameter(
        "maxTransactionLockRequestTimeoutMillis",
        Kind.INTEGER,
        Range(5, 10_000),
        "5",
        Way.PARAMETER,
        _DATA,
        "Milliseconds that a transaction waits for a lock before it ends.",
    ),
    Parameter(
        "minSnapshotHistoryWindowInSeconds",
        Kind.INTEGER,
        Range(0, 3600),
        "300",
        Way.PARAMETER,
        _DATA,
        "Seconds for which snapshots of the past can be read.",
        first=(5, 0),
    ),
    Parameter(
        "net.maxIncomingConnections",
        Kind.INTEGER,
        Range(200, 16_000),
        DEFAULT,
        Way.CONNECTIONS,
        _ALL,
        "Connections that a node accepts. The default follows from its flavor.",
    ),
    Parameter(
        "operationProfiling.mode",
        Kind.STRING,
        ("off", "slowOp", "all"),
        "off",
        Way.PROFILING,
        _DATA,
        "Which operations are recorded in system.profile: none, slow ones, all.",
    ),
    Parameter(
        "operationProfiling.slowOpSampleRate",
        Kind.FLOAT,
        Range(0, 1),
        "1",
        Way.SLOW_SAMPLE_RATE,
        _ALL,
        "The part of the slow operations that is logged or recorded.",
    ),
    Parameter(
        "operationProfiling.slowOpThresholdMs",
        Kind.INTEGER,
        Range(0, 36_000_000),
        "100",
        Way.SLOW_THRESHOLD,
        _ALL,
        "Milliseconds beyond which an operation counts as slow.",
    ),
    Parameter(
        "orphanCleanupDelaySecs",
        Kind.INTEGER,
        Range(0, 86_400),
        "900",
        Way.PARAMETER,
        _SHARDS,
        "Seconds for which documents that moved to another shard stay behind for open cursors.",
    ),
    Parameter(
        "rollbackTimeLimitSecs",
        Kind.INTEGER,
        Range(3_600, 864_000),
        "86400",
        Way.PARAMETER,
        _DATA,
        "Seconds of writes that a member may roll back at most.",
    ),
    Parameter(
        "security.javascriptEnabled",
        Kind.BOOLEAN,
        _BOOLEANS,
        "true",
        Way.SCRIPTING,
        _DATA,
        "Whether JavaScript may run: $where, $function, mapReduce.",
    ),
    Parameter(
        "storage.wiredTiger.engineConfig.cacheSizePct",
        Kind.INTEGER,
        Range(10, 80),
        DEFAULT,
        Way.CACHE,
        _DATA,
        "Percent of a node's memory for its cache, which has 256 MiB at least. The default is half "
        "of what exceeds 1 GiB.",
    ),
    Parameter(
        "transactionLifetimeLimitSeconds",
        Kind.INTEGER,
        Range(1, 3_600),
        "60",
        Way.PARAMETER,
        _DATA,
        "Seconds after which a transaction is ended.",
    ),
    Parameter(
        "ttlMonitorEnabled",
        Kind.BOOLEAN,
        _BOOLEANS,
        "true",
        Way.PARAMETER,
        _DATA,
        "Whether documents are deleted when their time is over (TTL indexes).",
    ),
    Parameter(
        "ttlMonitorSleepSecs",
        Kind.INTEGER,
        Range(1, 86_400),
        "60",
        Way.PARAMETER,
        _DATA,
        "Seconds between two searches for documents whose time is over.",
    ),
)
BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


def of_type(node_type: NodeType, release: Release) -> tuple[Parameter, ...]:
    """The parameters of nodes of this type and release, by name."""
    return tuple(one for one in PARAMETERS if one.exists(node_type, release))


def node_type(group: Group, node: Node) -> NodeType:
    """What a node of a group is."""
    if node.member is MemberRole.READ_REPLICA:
        sharded = group.type is GroupType.SHARD
        return NodeType.SHARD_READONLY if sharded else NodeType.READONLY
    return NodeType(group.type)


def checked(given: Mapping[str, object], node_type: NodeType, release: Release) -> dict[str, str]:
    """Values that came, as they are kept. Raises DdsError 400 for the first that is not allowed, or
    of a parameter that such nodes do not have."""
    return {name: _known(name, node_type, release).checked(value) for name, value in given.items()}


def without_defaults(values: Mapping[str, str]) -> dict[str, str]:
    """Those values that differ from the defaults, by name."""
    return {name: value for name, value in sorted(values.items()) if value != BY_NAME[name].default}


@dataclass(frozen=True)
class Difference:
    """A parameter's value here and there, or before and after."""

    name: str
    old: str
    new: str

    @property
    def parameter(self) -> Parameter:
        """The parameter's row."""
        return BY_NAME[self.name]


def differences(
    old: Mapping[str, str], new: Mapping[str, str], among: Iterable[Parameter] = PARAMETERS
) -> tuple[Difference, ...]:
    """Where two sets of values, each without defaults, differ."""
    pairs = [(one.name, one.default) for one in among]
    found = [Difference(name, old.get(name, known), new.get(name, known)) for name, known in pairs]
    return tuple(one for one in found if one.old != one.new)


def _known(name: str, node_type: NodeType, release: Release) -> Parameter:
    parameter = BY_NAME.get(name)
    if parameter is None or not parameter.exists(node_type, release):
        raise bad_parameter(
            f"parameter_values.{name}",
            f"nodes of type {node_type} have no such parameter",
            codes.PARAMETER_NOT_FOUND,
        )
    return parameter
