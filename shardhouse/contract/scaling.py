"""Instances that grow and shrink: nodes, shards, read replicas, volumes."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Rules, Wire
from shardhouse.contract.fields import LEFT_OUT, integer, one_of, text
from shardhouse.contract.instances import INSTANCE, INSTANCES
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Mode, Status

EXTEND_NODE = "dds:instance:extendNode"
REDUCE_NODE = "dds:instance:reduceNode"
EXTEND_VOLUME = "dds:instance:extendVolume"
MAX_READ_REPLICAS = 5
"""Read replicas of a replica set."""
MAX_DELAY = 1200
MAX_POLICIES = 10
_MOST = 64
#: What failed before may be tried again, or be undone.
_SETTLED = frozenset({Status.NORMAL, Status.ENLARGE_FAIL})
_CLUSTERS = Rules(modes=frozenset({Mode.SHARDING}), statuses=_SETTLED)
_SETS = Rules(modes=frozenset({Mode.REPLICA_SET}), statuses=_SETTLED)
_REPLICATED = Rules(modes=frozenset({Mode.SHARDING, Mode.REPLICA_SET}), statuses=_SETTLED)

Ids = Annotated[list[str], Rule(lambda field, value: rules.ids(field, value, _MOST))]
#: None given is the same as an empty list, which clients send.
OptionalIds = Annotated[
    tuple[str, ...],
    Rule(lambda field, value: tuple(rules.ids(field, value, _MOST)) if value else ()),
]
SpecCode = Annotated[str, text(codes.FLAVOR_INVALID)]
Size = Annotated[
    int,
    Rule(lambda field, value: rules.integer(field, value, codes.SIZE_INVALID)),
    Field(description="GB, a multiple of 10."),
]


class NewVolume(Wire):
    """The volume of each member of a new shard."""

    size: Size


class EnlargeBody(Wire):
    """What to add to a cluster."""

    type: Annotated[str, one_of("mongos", "shard", code=codes.GROUP_TYPE_INVALID)]
    spec_code: Annotated[SpecCode, Field(description="As the present ones of this type have.")]
    num: Annotated[int, integer(1, 32, codes.NODE_NUMBER_INVALID)]
    volume: Annotated[NewVolume | None, Field(description="For shards.")] = None


class ExpandBody(Wire):
    """How many members to add."""

    num: Annotated[
        int,
        integer(2, 4, codes.NODE_NUMBER_INVALID),
        Field(description="2 or 4; seven is the most a replica set has."),
    ]


class ShrinkBody(Wire):
    """Which members to remove: `node_list` where both are given."""

    num: Annotated[int, integer(1, 4, codes.NODE_NUMBER_INVALID)] = 0
    node_list: OptionalIds = ()


class NodesBody(Wire):
    """Ids of nodes."""

    node_list: Ids


class ShardsBody(Wire):
    """Ids of shard groups."""

    ids: Ids


class ReadonlyBody(Wire):
    """Read replicas to add, to a replica set or to a shard."""

    spec_code: Annotated[SpecCode, Field(description="One whose last part is `rr`.")]
    num: Annotated[int, integer(1, MAX_READ_REPLICAS, codes.NODE_NUMBER_INVALID)]
    delay: Annotated[
        int,
        integer(0, MAX_DELAY),
        Field(description="Seconds they stay behind. Not for clusters."),
    ] = 0
    group_id: Annotated[str, Field(description="The shard, for clusters.")] = ""
    availability_zone: str = ""


class VolumeBody(Wire):
    """The new size."""

    size: Size
    group_id: Annotated[str, Field(description="The shard, for clusters.")] = ""
    node_ids: Annotated[
        OptionalIds, Field(description="One read replica, to enlarge its volume.")
    ] = ()


class AutoEnlargePolicy(Wire):
    """When an instance's volumes are enlarged by themselves."""

    instance_id: Annotated[str, text(codes.INSTANCE_NOT_FOUND)]
    threshold: Annotated[
        int, Rule(lambda field, value: rules.one_number(field, value, (80, 85, 90)))
    ] = 90
    step: Annotated[
        int, Rule(lambda field, value: rules.one_number(field, value, (10, 15, 20)))
    ] = 10
    size: Annotated[
        int,
        integer(10, 10_000, codes.SIZE_OUT_OF_RANGE),
        Field(description="GB that are not exceeded: up to 5000 below 8 vCPU, else 10000."),
    ] = 5000


class AutoEnlargeBody(Wire):
    """Policies of up to ten instances."""

    switch_option: Annotated[str, one_of("on", "off")] = "on"
    policies: Annotated[
        list[AutoEnlargePolicy],
        Rule(lambda field, value: rules.few(field, value, MAX_POLICIES)),
    ]


class AutoEnlargeAnswer(Wire):
    """An instance's policy; none where it never had one."""

    switch_option: str
    policy: Annotated[AutoEnlargePolicy | None, LEFT_OUT] = None


ADD_SHARDING_NODE = Call(
    "AddShardingNode",
    Method.POST,
    f"{INSTANCE}/enlarge",
    summary="Add mongos nodes or shards to a cluster.",
    permission=EXTEND_NODE,
    body=EnlargeBody,
    example={
        "type": "shard",
        "spec_code": "dds.mongodb.s2.medium.4.shard",
        "num": "1",
        "volume": {"size": "20"},
    },
    answer=JobId,
    success=202,
    rules=_CLUSTERS,
)
EXPAND_REPLICA_SET = Call(
    "ExpandReplicasetNode",
    Method.POST,
    f"{INSTANCE}/replicaset-node",
    summary="Add members to a replica set: from three to five or seven.",
    permission=EXTEND_NODE,
    body=ExpandBody,
    example={"num": 2},
    answer=JobId,
    success=202,
    rules=_SETS,
)
SHRINK_REPLICA_SET = Call(
    "ShrinkInstanceNodes",
    Method.DELETE,
    f"{INSTANCE}/nodes",
    summary="Remove members of a replica set, but never its primary.",
    permission=REDUCE_NODE,
    body=ShrinkBody,
    example={"num": 2},
    answer=JobId,
    success=202,
    rules=_SETS,
)
DELETE_MONGOS = Call(
    "DeleteMongosNode",
    Method.DELETE,
    f"{INSTANCE}/mongos-node",
    summary="Remove mongos nodes; two stay.",
    permission=REDUCE_NODE,
    body=NodesBody,
    example={"node_list": ["0" * 32 + "no02"]},
    answer=JobId,
    success=202,
    rules=_CLUSTERS,
)
DELETE_SHARDS = Call(
    "BatchDeleteShards",
    Method.POST,
    f"{INSTANCE}/shards/batch-delete",
    summary="Move the data of shards to the others, and remove them; two stay.",
    permission=REDUCE_NODE,
    body=ShardsBody,
    example={"ids": ["0" * 32 + "gr02"]},
    answer=JobId,
    success=202,
    rules=_CLUSTERS,
)
ADD_READONLY_NODE = Call(
    "AddReadonlyNode",
    Method.POST,
    f"{INSTANCE}/readonly-node",
    summary="Add read replicas to a replica set or to a shard.",
    permission=EXTEND_NODE,
    body=ReadonlyBody,
    example={"spec_code": "dds.mongodb.s2.medium.4.rr", "num": 1, "delay": 0},
    answer=JobId,
    success=202,
    rules=_REPLICATED,
)
DELETE_READONLY_NODE = Call(
    "DeleteReadonlyNode",
    Method.DELETE,
    f"{INSTANCE}/readonly-node",
    summary="Remove read replicas.",
    permission=REDUCE_NODE,
    body=NodesBody,
    example={"node_list": ["0" * 32 + "no02"]},
    answer=JobId,
    success=202,
    rules=_REPLICATED,
)
RESIZE_VOLUME = Call(
    "ResizeInstanceVolume",
    Method.POST,
    f"{INSTANCE}/enlarge-volume",
    summary="Enlarge the volumes of an instance, of a shard or of a read replica.",
    permission=EXTEND_VOLUME,
    body=VolumeBody,
    wrapper="volume",
    example={"size": "30"},
    answer=JobId,
    success=202,
    rules=Rules(statuses=_SETTLED | {Status.DATA_DISK_FULL}),
)
SET_AUTO_ENLARGE = Call(
    "SetAutoEnlargePolicies",
    Method.PUT,
    f"{INSTANCES}/auto-enlarge-volume-policies",
    summary="Say when the volumes of instances are enlarged by themselves.",
    permission=EXTEND_VOLUME,
    body=AutoEnlargeBody,
    example={
        "switch_option": "on",
        "policies": [{"instance_id": "0" * 32 + "in02", "threshold": 90, "step": 10, "size": 5000}],
    },
    rules=Rules(statuses=frozenset(Status) - {Status.CREATING, Status.CREATE_FAIL}, idle=False),
)
SHOW_AUTO_ENLARGE = Call(
    "ShowAutoEnlargePolicy",
    Method.GET,
    f"{INSTANCE}/auto-enlarge-volume-policy",
    summary="When the volumes of an instance are enlarged by themselves.",
    permission="dds:instance:list",
    answer=AutoEnlargeAnswer,
)
CALLS = (
    ADD_SHARDING_NODE,
    EXPAND_REPLICA_SET,
    SHRINK_REPLICA_SET,
    DELETE_MONGOS,
    DELETE_SHARDS,
    ADD_READONLY_NODE,
    DELETE_READONLY_NODE,
    RESIZE_VOLUME,
    SET_AUTO_ENLARGE,
    SHOW_AUTO_ENLARGE,
)
