"""The balancer of a cluster, as its config servers have it."""

from shardhouse.api.dds.answering import answering
from shardhouse.api.endpoint import Request
from shardhouse.contract.balancer import BalancerAnswer, BalancerWindow
from shardhouse.contract.call import Nothing
from shardhouse.mongo import balancer
from shardhouse.workflows.context import set_plan, user_group

PATIENCE = 10.0
"""Seconds a config server has to answer."""


def show(request: Request[Nothing, Nothing]) -> BalancerAnswer:
    """Whether it is on, and its window if it has one."""
    instance = request.instance()
    context = request.service.context
    with answering(instance), context.clients(instance, patience=PATIENCE) as clients:
        found = balancer.read(set_plan(user_group(instance)).visible, clients)
    window = None
    if found.window:
        start, stop = found.window
        window = BalancerWindow(start_time=start, stop_time=stop)
    return BalancerAnswer(is_open=found.on, active_window=window)
