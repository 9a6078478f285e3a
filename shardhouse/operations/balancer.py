"""The balancer of a cluster: started, stopped, given a window."""

from dataclasses import dataclass

from shardhouse import error_codes as codes
from shardhouse.contract.balancer import (
    SET_BALANCER_SWITCH,
    SET_BALANCER_WINDOW,
    BalancerWindowBody,
)
from shardhouse.contract.call import Nothing
from shardhouse.domain import rules
from shardhouse.errors import bad_parameter
from shardhouse.mongo import balancer
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import set_plan, user_group
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

START, STOP = "start", "stop"
_SECONDS = 80.0
"""What a chunk on its way may take to arrive, and less than a client of ours waits."""


@dataclass(frozen=True)
class Switch:
    """Arguments: whether it shall be on."""

    on: bool


@dataclass(frozen=True)
class Window:
    """Arguments: from when to when it shall work, `HH:MM`."""

    start: str
    stop: str


def _plan_switch(asked: Asked[Nothing]) -> Planned[Switch]:
    action = rules.one_of(
        "action", asked.path["action"], (START, STOP), codes.BALANCER_ACTION_INVALID
    )
    return Planned(Switch(action == START))


def _plan_window(asked: Asked[BalancerWindowBody]) -> Planned[Window]:
    window = Window(asked.body.start_time, asked.body.stop_time)
    if window.start == window.stop:
        raise bad_parameter(
            "stop_time",
            f"another time than start_time is required, got {window.stop}",
            codes.BALANCER_WINDOW_INVALID,
        )
    return Planned(window)


def switch(run: Run[Switch]) -> None:
    """The config servers have it on or off, and no chunk moves while it is off."""
    processes.ensure_all(run.context, run.instance)
    hosts = set_plan(user_group(run.instance)).visible
    with run.context.clients(run.instance) as clients:
        balancer.switch(hosts, run.arguments.on, clients, Deadline(_SECONDS))
    run.report("on" if run.arguments.on else "off")


def set_window(run: Run[Window]) -> None:
    """The config servers have the window."""
    processes.ensure_all(run.context, run.instance)
    hosts, window = set_plan(user_group(run.instance)).visible, run.arguments
    with run.context.clients(run.instance) as clients:
        balancer.set_window(hosts, window.start, window.stop, clients, Deadline(_SECONDS))
    run.report(f"{window.start}-{window.stop}")


SWITCH = Operation(
    "SET_BALANCER",
    "SetBalancerSwitch",
    Switch,
    (Step("Switch the balancer", switch),),
    call=SET_BALANCER_SWITCH,
    plan=_plan_switch,
    limit=limits.brief,
)
WINDOW = Operation(
    "SET_BALANCER_WINDOW",
    "SetBalancerWindow",
    Window,
    (Step("Store the balancer's window", set_window),),
    call=SET_BALANCER_WINDOW,
    plan=_plan_window,
    limit=limits.brief,
)
