"""Rows of the services beside DDS as plain data. Empty text stands for what is not set."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shardhouse.domain.alarm import AlarmState, Condition

ROUTER_INTERFACE = "network:router_interface"
DEFAULT_GROUP = "default"
PublicIpStatus = Literal["ACTIVE", "DOWN"]


@dataclass(frozen=True)
class Row:
    """What every row has. `id` is a UUID with hyphens."""

    id: str
    project_id: str
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Vpc(Row):
    """A VPC, which is Neutron's router of the same id. `cidr` is empty for one made as a router."""

    description: str = ""
    cidr: str = ""
    routes: tuple[dict[str, Any], ...] = ()
    enable_shared_snat: bool = False
    admin_state_up: bool = True
    external_network_id: str = ""
    enterprise_project_id: str = "0"


@dataclass(frozen=True)
class Network(Row):
    """A network. Its id is that of the VPC's subnet, once it has a subnet with an interface."""

    description: str = ""
    admin_state_up: bool = True


@dataclass(frozen=True)
class Subnet(Row):
    """A network's one subnet; `gateway_ip` is empty without a gateway."""

    network_id: str = ""
    description: str = ""
    cidr: str = ""
    gateway_ip: str = ""
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    availability_zone: str = ""
    extra_dhcp_opts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Port(Row):
    """An address in a subnet. That of a router's interface belongs to its gateway."""

    network_id: str = ""
    subnet_id: str = ""
    ip_address: str = ""
    mac_address: str = ""
    device_id: str = ""
    device_owner: str = ""
    admin_state_up: bool = True
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecurityGroup(Row):
    """A security group; its rules are rows of their own."""

    description: str = ""


@dataclass(frozen=True)
class SecurityGroupRule(Row):
    """One rule. None means any protocol, port or remote."""

    security_group_id: str = ""
    description: str = ""
    direction: str = "ingress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None


@dataclass(frozen=True)
class Bandwidth(Row):
    """Bandwidth in Mbit/s: of one public IP (`PER`), or shared (`WHOLE`)."""

    size: int = 1
    share_type: str = "PER"
    charge_mode: str = "traffic"
    enterprise_project_id: str = "0"


@dataclass(frozen=True)
class Binding:
    """What a public IP is bound to: a port of Neutron, or a node of a database instance, with the
    private address of either; or a NAT gateway, through which its ports lead to nodes. Empty in all
    fields: nothing."""

    port_id: str = ""
    node_id: str = ""
    private_ip_address: str = ""
    nat_gateway_id: str = ""

    @property
    def holder(self) -> str:
        """What it is bound to, as messages say it."""
        if self.nat_gateway_id:
            return f"NAT gateway {self.nat_gateway_id}"
        return f"node {self.node_id}" if self.node_id else f"port {self.port_id}"


UNBOUND = Binding()


@dataclass(frozen=True)
class PublicIp(Row):
    """A public address; the row is its lease. `name` is what the API calls `alias`."""

    address: str = ""
    type: str = "5_bgp"
    bandwidth_id: str = ""
    enterprise_project_id: str = "0"
    port_id: str = ""
    node_id: str = ""
    private_ip_address: str = ""
    nat_gateway_id: str = ""

    @property
    def binding(self) -> Binding:
        """What it is bound to, or UNBOUND."""
        return Binding(self.port_id, self.node_id, self.private_ip_address, self.nat_gateway_id)

    @property
    def status(self) -> PublicIpStatus:
        """ACTIVE while it is bound, DOWN otherwise (VPC v1 and Neutron alike)."""
        return "DOWN" if self.binding == UNBOUND else "ACTIVE"


@dataclass(frozen=True)
class LogGroup(Row):
    """A log group of LTS; `ttl_in_days` is how long its logs should be kept."""

    ttl_in_days: int = 7


@dataclass(frozen=True)
class LogStream(Row):
    """A log stream of a log group."""

    log_group_id: str = ""
    ttl_in_days: int = 7


@dataclass(frozen=True)
class Alarm(Row):
    """An alarm rule of Cloud Eye, with the state that values gave it, and the state that was
    reported last, `told`. Actions are as they came: `{"type", "notificationList"}`."""

    state_at: datetime
    description: str = ""
    namespace: str = ""
    metric_name: str = ""
    dimensions: tuple[dict[str, str], ...] = ()
    condition: dict[str, Any] = field(default_factory=dict)
    level: int = 2
    enabled: bool = True
    action_enabled: bool = True
    alarm_actions: tuple[dict[str, Any], ...] = ()
    ok_actions: tuple[dict[str, Any], ...] = ()
    state: str = AlarmState.NO_DATA
    told: str = AlarmState.OK
    told_at: datetime | None = None

    @property
    def rule(self) -> Condition:
        """Its condition."""
        return Condition(**self.condition)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Its dimensions as names and values."""
        return [(one["name"], one["value"]) for one in self.dimensions]

    @property
    def resource_id(self) -> str:
        """What it is about: the values of its dimensions in their order, between commas."""
        return ",".join(sorted(value for _, value in self.pairs))

    def reports(self, state: str) -> bool:
        """Whether the rule has an action for a state."""
        return bool({"alarm": self.alarm_actions, "ok": self.ok_actions}.get(state))

    def topics(self, state: str) -> list[str]:
        """Who: names of topics, as the rule has them."""
        actions = self.alarm_actions if state == AlarmState.ALARM else self.ok_actions
        return [topic for action in actions for topic in action["notificationList"]]


@dataclass(frozen=True)
class AlarmRecord:
    """A state that values gave an alarm rule, as the rule was then, and the values of the periods
    that were judged (seconds since 1970, value). It lasts while `ended_at` is None."""

    number: int
    project_id: str
    alarm_id: str
    name: str
    description: str
    namespace: str
    metric_name: str
    dimensions: tuple[dict[str, str], ...]
    resource_id: str
    condition: dict[str, Any]
    level: int
    action_enabled: bool
    alarm_actions: tuple[dict[str, Any], ...]
    ok_actions: tuple[dict[str, Any], ...]
    state: str
    points: tuple[tuple[int, float], ...]
    began_at: datetime
    ended_at: datetime | None

    @property
    def id(self) -> str:
        """As the API writes it: `ah`, milliseconds, nine characters."""
        return f"ah{int(self.began_at.timestamp() * 1000)}{self.number:09}"


@dataclass(frozen=True)
class EnterpriseProject:
    """An enterprise project, which belongs to a domain (an account) and not to a project."""

    id: str
    domain_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    type: str = "prod"
    enabled: bool = True
