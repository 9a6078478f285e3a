"""The balancer of a cluster, which moves chunks between shards."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Nothing, Rules, Wire
from shardhouse.contract.fields import LEFT_OUT
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Mode

Clock = Annotated[
    str,
    Rule(lambda field, value: rules.clock(field, value, codes.BALANCER_WINDOW_INVALID)),
    Field(description="`HH:MM`, in the time zone of the machine the config servers run on."),
]
OF_CLUSTERS = Rules(modes=frozenset({Mode.SHARDING}))
PERMISSION = "dds:instance:modifyBalancer"


class BalancerWindow(Wire):
    """When chunks are moved; `HH:MM`."""

    start_time: str
    stop_time: str


class BalancerAnswer(Wire):
    """Whether it is on, and when it works; at any time if there is no window."""

    is_open: bool
    active_window: Annotated[BalancerWindow | None, LEFT_OUT] = None


class BalancerWindowBody(Wire):
    """When chunks are moved; the window may reach over midnight."""

    start_time: Clock
    stop_time: Clock


SHOW_BALANCER = Call(
    "ShowShardingBalancer",
    Method.GET,
    f"{INSTANCE}/balancer",
    summary="Whether a cluster's balancer is on, and when it works.",
    permission="dds:instance:list",
    answer=BalancerAnswer,
    rules=OF_CLUSTERS,
)
SET_BALANCER_SWITCH = Call(
    "SetBalancerSwitch",
    Method.PUT,
    f"{INSTANCE}/balancer/{{action}}",
    summary="Start or stop a cluster's balancer: `action` is `start` or `stop`.",
    permission=PERMISSION,
    body=Nothing,
    answer=JobId,
    success=202,
    rules=OF_CLUSTERS,
)
SET_BALANCER_WINDOW = Call(
    "SetBalancerWindow",
    Method.PUT,
    f"{INSTANCE}/balancer/active-window",
    summary="Change when a cluster's balancer works.",
    permission=PERMISSION,
    body=BalancerWindowBody,
    example={"start_time": "23:00", "stop_time": "05:00"},
    answer=JobId,
    success=202,
    rules=OF_CLUSTERS,
)
CALLS = (SHOW_BALANCER, SET_BALANCER_SWITCH, SET_BALANCER_WINDOW)
