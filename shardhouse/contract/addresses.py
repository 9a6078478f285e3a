"""Addresses of nodes: public ones, those of shards and config servers, other private ones."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Rules, Wire
from shardhouse.contract.fields import Text, integer, one_of
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import GroupType, Mode

_GATEWAY = f"{INSTANCE}/nodes/{{node_id}}/public-gateway"
_NODE = "/v3/{project_id}/nodes/{node_id}"
_PUBLIC_IP_ID = "3f0f6d9a-55a4-4d15-9a52-7c7d4f1c0a01"


class BindBody(Wire):
    """A public IP of the project, as the VPC service knows it."""

    public_ip: Annotated[
        str,
        Rule(lambda field, value: rules.ipv4(field, value, codes.PUBLIC_ADDRESS_INVALID)),
        Field(description="Its address."),
    ]
    public_ip_id: Annotated[
        str, Rule(lambda field, value: rules.uuid(field, value, codes.PUBLIC_ADDRESS_INVALID))
    ]


class GatewayBody(Wire):
    """A port of a public IP of the project, and the NAT gateway that passes it on."""

    nat_gateway_id: Annotated[
        str,
        Rule(lambda field, value: rules.uuid(field, value, codes.BAD_PARAMETER)),
        Field(description="There are no NAT gateways here: any id in UUID form names one."),
    ]
    public_ip_id: Annotated[
        str, Rule(lambda field, value: rules.uuid(field, value, codes.PUBLIC_ADDRESS_INVALID))
    ]
    external_service_port: Annotated[
        int,
        integer(1, 65535, codes.PORT_OUT_OF_RANGE),
        Field(description="1 to 65535; it need not be the instance's port."),
    ]


class MoveBody(Wire):
    """Which node, and where to."""

    node_id: Text
    new_ip: Annotated[
        str,
        Rule(lambda field, value: rules.ipv4(field, value, codes.ADDRESS_INVALID)),
        Field(description="An address of `node_network` that no node has. The port stays."),
    ]


class MoveAnswer(JobId):
    """The job, the node and its address to be."""

    node_id: str
    new_ip: str


Opened = Annotated[str, one_of(GroupType.SHARD, GroupType.CONFIG, code=codes.GROUP_TYPE_INVALID)]


class OpenBody(Wire):
    """Whose addresses, and the password of the user who may read there."""

    type: Opened
    target_id: Annotated[
        str,
        Field(
            description="A shard that came later. The first call opens all shards, whatever is "
            "named here."
        ),
    ] = ""
    password: Annotated[
        str,
        Rule(
            lambda field, value: rules.database_password(
                value, field, rules.MEMBER_SPECIAL_CHARACTERS
            )
        ),
        Field(
            repr=False,
            json_schema_extra={"format": "password"},
            description="8 to 32 characters: upper and lower case, digits, and one of "
            f"`{rules.MEMBER_SPECIAL_CHARACTERS}`.",
        ),
    ]


class CloseBody(Wire):
    """Whose addresses."""

    type: Opened


class OpenAnswer(JobId):
    """The job, under both of the names that clients read."""

    jobId: str  # noqa: N815  a client's own name for it


class NodeAnswer(JobId):
    """The job, and the node it is about."""

    node_id: str
    node_name: str


class BindAnswer(NodeAnswer):
    """The job, the node and the address to be."""

    public_ip: str
    public_ip_id: str


class GatewayNode(Wire):
    """The node that a gateway leads to, and its instance."""

    instance_id: str
    instance_name: str
    node_id: str
    node_name: str


class GatewayAnswer(GatewayNode):
    """What leads to it."""

    nat_gateway_id: str
    public_ip_id: str
    external_service_port: int


BIND_PUBLIC_IP = Call(
    "AttachEip",
    Method.POST,
    f"{_NODE}/bind-eip",
    summary="Have a node serve at a public IP as well. It restarts; a primary hands over first.",
    permission="dds:instance:bindPublicIp",
    body=BindBody,
    example={"public_ip": "127.200.0.1", "public_ip_id": _PUBLIC_IP_ID},
    answer=BindAnswer,
    success=202,
)
UNBIND_PUBLIC_IP = Call(
    "CancelEip",
    Method.POST,
    f"{_NODE}/unbind-eip",
    summary="Have a node serve at its private address alone.",
    permission="dds:instance:unbindPublicIp",
    answer=NodeAnswer,
    success=202,
)
BIND_PUBLIC_GATEWAY = Call(
    "BindPublicGateway",
    Method.POST,
    _GATEWAY,
    summary="Have a port of a public IP lead to a node, which does not restart. Ports of one "
    "public IP may lead to different nodes.",
    permission="dds:instance:bindPublicGateway",
    body=GatewayBody,
    example={
        "nat_gateway_id": "3f0f6d9a-55a4-4d15-9a52-7c7d4f1c0a02",
        "public_ip_id": _PUBLIC_IP_ID,
        "external_service_port": 27017,
    },
    answer=GatewayAnswer,
)
UNBIND_PUBLIC_GATEWAY = Call(
    "UnbindPublicGateway",
    Method.DELETE,
    _GATEWAY,
    summary="Have no port of a public IP lead to a node any more. Connections through it end.",
    permission="dds:instance:unbindPublicGateway",
    answer=GatewayNode,
)
OPEN_ADDRESSES = Call(
    "CreateIp",
    Method.POST,
    f"{INSTANCE}/create-ip",
    summary="Show the addresses of shards or config servers, and make the user that reads there: "
    "`sharduser` or `csuser`. It reads all databases, `local` and `config` too, and monitors.",
    permission="dds:instance:createIp",
    body=OpenBody,
    example={"type": "shard", "password": "Shard(1)$only"},
    answer=OpenAnswer,
    success=202,
    rules=Rules(modes=frozenset({Mode.SHARDING})),
)
CLOSE_ADDRESSES = Call(
    "DeleteIp",
    Method.DELETE,
    f"{INSTANCE}/ip",
    summary="Remove the user of shards or config servers, and show their addresses no more.",
    permission="dds:instance:deleteIp",
    body=CloseBody,
    example={"type": "shard"},
    answer=OpenAnswer,
    success=202,
    rules=Rules(modes=frozenset({Mode.SHARDING})),
)
MOVE_NODE = Call(
    "AttachInternalIp",
    Method.POST,
    f"{INSTANCE}/modify-internal-ip",
    summary="Move a node to another private address. It restarts; a primary hands over first.",
    permission="dds:instance:modifyVIP",
    body=MoveBody,
    example={"node_id": "0" * 32 + "no02", "new_ip": "127.64.0.10"},
    answer=MoveAnswer,
    success=202,
)
CALLS = (
    BIND_PUBLIC_IP,
    UNBIND_PUBLIC_IP,
    BIND_PUBLIC_GATEWAY,
    UNBIND_PUBLIC_GATEWAY,
    OPEN_ADDRESSES,
    CLOSE_ADDRESSES,
    MOVE_NODE,
)
