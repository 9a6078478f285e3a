"""Changes of running instances that restart their nodes one by one, or that have another node lead:
restart, switchover, flavor, port, TLS, name of the replica set."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, JobId, Method, Nothing, Rules, Wire
from shardhouse.contract.fields import Flag, Port, SslOption, Text, one_of
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.links import LinkQuery
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import GroupType, Mode, Status

PARTS = (GroupType.MONGOS, GroupType.SHARD, GroupType.CONFIG)
"""What a part of a cluster may be."""
MAX_SHARDS = 16
"""How many shards one call resizes."""


class RestartBody(Wire):
    """What to restart, and how."""

    target_type: Annotated[
        str, one_of(*PARTS), Field(description="Of a part of a cluster; empty for the rest.")
    ] = ""
    target_id: Annotated[
        Text,
        Field(
            description="The instance; with `mongos` a node; with `shard` or `config` a group or a "
            "node of it; without a type also a single node."
        ),
    ]
    is_serial: Annotated[
        Flag,
        Field(
            description="Restart the members of a replica set one by one. Otherwise all but the "
            "primary restart together, which is quicker, and majority writes wait meanwhile."
        ),
    ] = False
    is_force: Annotated[
        Flag, Field(description="Restart what is abnormal: nodes that do not answer come first.")
    ] = False


class ResizeBody(Wire):
    """Which nodes get which flavor."""

    target_type: Annotated[
        str, one_of(*PARTS), Field(description="Only for clusters, and required there.")
    ] = ""
    target_id: Annotated[
        str,
        Field(
            description="With `mongos` a node, with `shard` or `config` a group, else the instance."
        ),
    ] = ""
    target_ids: Annotated[
        list[str],
        Rule(lambda field, value: rules.ids(field, value, MAX_SHARDS)),
        Field(description="Several shards, instead of `target_id`."),
    ] = []  # noqa: RUF012  pydantic copies it
    target_spec_code: Annotated[
        Text, Field(description="Another flavor of the same series and type.")
    ]


class PortBody(Wire):
    """Where clients connect to from now on."""

    port: Port


class PortAnswer(JobId):
    """The job, and the port to be."""

    port: int


class SslBody(Wire):
    """Whether clients need TLS from now on."""

    ssl_option: SslOption


class SslAnswer(JobId):
    """The job, and the option to be."""

    ssl_option: str


class CertificateItem(Wire):
    """A file of certificates, at a link that needs no token and expires. `category` is always
    `international`."""

    category: str
    download_link: str


class CertificatesAnswer(Wire):
    """Certificates to trust; none without TLS."""

    certs: list[CertificateItem]


class RotateBody(Wire):
    """How far to go."""

    prepare: Annotated[
        Flag,
        Field(
            description="Only have all nodes trust the new authority beside the old one. Download "
            "links give both from then on, until a call without this ends it."
        ),
    ] = False


class SetNameBody(Wire):
    """What the replica set is called from now on."""

    name: Annotated[
        str,
        Rule(rules.replica_set_name),
        Field(description="3 to 128 letters, digits and `_`, a letter first."),
    ]


class SwitchoverBody(Wire):
    """Which replica set of a cluster."""

    group_id: Annotated[
        str, Field(description="A shard or the config servers; only for clusters.")
    ] = ""


RESTART = Call(
    "RestartInstance",
    Method.POST,
    f"{INSTANCE}/restart",
    summary="Restart an instance, a part of a cluster, or a single node.",
    permission="dds:instance:reboot",
    body=RestartBody,
    example={"target_type": "mongos", "target_id": "0" * 32 + "no02"},
    answer=JobId,
    success=202,
    rules=Rules(statuses=frozenset({Status.NORMAL, Status.ABNORMAL})),
)
RESIZE = Call(
    "ResizeInstance",
    Method.POST,
    f"{INSTANCE}/resize",
    summary="Change the flavor of an instance, of shards, of the config servers or of a router.",
    permission="dds:instance:resize",
    body=ResizeBody,
    wrapper="resize",
    example={
        "target_type": "mongos",
        "target_id": "0" * 32 + "no02",
        "target_spec_code": "dds.mongodb.s2.large.4.mongos",
    },
    answer=JobId,
    success=202,
)
MODIFY_PORT = Call(
    "UpdateInstancePort",
    Method.POST,
    f"{INSTANCE}/modify-port",
    summary="Change the port that clients connect to.",
    permission="dds:instance:modifyPort",
    body=PortBody,
    example={"port": 8636},
    answer=PortAnswer,
    success=202,
)
SWITCH_SSL = Call(
    "SwitchSsl",
    Method.POST,
    f"{INSTANCE}/switch-ssl",
    summary="Switch TLS on or off while the instance serves.",
    permission="dds:instance:modifySSL",
    body=SslBody,
    example={"ssl_option": "1"},
    answer=SslAnswer,
    success=202,
)
LIST_CERTIFICATES = Call(
    "ListSslCertDownloadAddress",
    Method.GET,
    f"{INSTANCE}/ssl-cert/download-link",
    summary="Links to the certificates that clients should trust.",
    permission="dds:instance:list",
    answer=CertificatesAnswer,
)
DOWNLOAD_CERTIFICATE = Call(
    "DownloadSslCert",
    Method.GET,
    "/v3/ssl-certs/{instance_id}",
    summary="The certificates (PEM) that a download link names.",
    query=LinkQuery,
    addition=True,
)
ROTATE_CERTIFICATES = Call(
    "RotateCertificates",
    Method.POST,
    f"{INSTANCE}/rotate-certificates",
    summary="Give an instance with TLS a new authority and its nodes new certificates.",
    permission="dds:instance:modifySSL",
    body=RotateBody,
    example={"prepare": True},
    answer=JobId,
    success=202,
    addition=True,
)
RENAME_SET = Call(
    "UpdateReplSetName",
    Method.PUT,
    f"{INSTANCE}/replica-set/name",
    summary="Give a replica set another name: all its members restart together.",
    permission="dds:instance:modify",
    body=SetNameBody,
    example={"name": "orders"},
    answer=JobId,
    success=202,
    rules=Rules(modes=frozenset({Mode.REPLICA_SET})),
)
SWITCH_OVER = Call(
    "SwitchoverReplicaSet",
    Method.POST,
    f"{INSTANCE}/switchover",
    summary="Have a secondary lead instead of the primary.",
    permission="dds:instance:switchover",
    body=SwitchoverBody,
    example={"group_id": "0" * 32 + "gr02"},
    answer=JobId,
    success=202,
    rules=Rules(modes=frozenset({Mode.SHARDING, Mode.REPLICA_SET})),
)
SWITCH_PRIMARY = Call(
    "SwitchInstancePrimary",
    Method.POST,
    f"{INSTANCE}/nodes/{{node_id}}/primary",
    summary="Have this secondary lead its replica set.",
    permission="dds:instance:switchover",
    body=Nothing,
    answer=JobId,
    success=202,
    rules=Rules(modes=frozenset({Mode.SHARDING, Mode.REPLICA_SET})),
)
CALLS = (
    RESTART,
    RESIZE,
    MODIFY_PORT,
    SWITCH_SSL,
    LIST_CERTIFICATES,
    DOWNLOAD_CERTIFICATE,
    ROTATE_CERTIFICATES,
    RENAME_SET,
    SWITCH_OVER,
    SWITCH_PRIMARY,
)
