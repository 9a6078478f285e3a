"""Brings nodes to the command they should run, while their instance goes on serving.

Of a replica set the hidden member and the secondaries come first, each until it has caught up; then
the primary hands over and comes last. A node that runs the wanted command already is passed over,
so a roll that is repeated after a crash goes on where it was. A roll that is to restart nodes
whatever they run passes over those that were started since it began.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import structlog

from shardhouse.domain.model import Group, Instance, MemberRole, Node
from shardhouse.mongo import replica_set, status
from shardhouse.mongo.admin import Clients, end_at_once
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context, parallel_map, set_plan
from shardhouse.workflows.launch import Launch

NODE_SECONDS = 300.0
"""How long a node may take to serve again: a large one recovers from its journal first."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Roll:
    """One rolling change. `launch` says what each node should run; `clients` reach the nodes.

    With `together` all members of a set but its primary are restarted together, and all sets are:
    quicker, but a set has no majority for some seconds. With `abreast` all sets are rolled at the
    same time, each member by member.

    `nodes` narrows it to some of them, by their ids; the others are left as they are. `since` has
    those restarted that were started before that moment.
    """

    context: Context
    instance: Instance
    launch: Launch
    clients: Clients
    together: bool = False
    abreast: bool = False
    nodes: Collection[str] | None = None
    since: datetime | None = None

    def needed(self) -> bool:
        """Whether a node does not run what it should."""
        pairs = [(group, node) for group in self.instance.groups for node in group.nodes]
        return not all(self._current(*pair) for pair in pairs)

    def groups(self, groups: Sequence[Group], report: Callable[[str], None]) -> None:
        """Roll these groups. Raises StepError or MongoError for the first node that does not serve
        with its new command; the nodes after it are left as they are.

        First every node of the instance that does not run is started, also those of other groups:
        after a reboot nothing runs, and shards do not answer without their config servers."""
        processes.ensure_all(self.context, self.instance, self.launch)
        total = sum(self._concerns(node) for group in groups for node in group.nodes)
        done = 0
        turn = Lock()

        def count(number: int) -> None:
            nonlocal done
            with turn:
                done += number
                report(f"{done} of {total} nodes")

        def roll(group: Group) -> None:
            if group.type.holds_data:
                self._set(group, count)
            else:
                self._routers(group, count)

        if self.together or self.abreast:
            parallel_map(roll, groups)
        else:
            for group in groups:
                roll(group)

    def _set(self, group: Group, count: Callable[[int], None]) -> None:
        """The members of a replica set; see the module."""
        plan = set_plan(group)
        replica_set.ensure_primary(plan, self.clients, self._deadline())
        current = [node for node in group.nodes if self._current(group, node)]
        outdated = [node for node in group.nodes if node not in current]
        self._follow(plan, current)  # one may have been restarted just before a crash
        count(sum(map(self._concerns, current)))
        primary = replica_set.find_primary(plan.visible, self.clients)
        followers = [node for node in reversed(outdated) if node.host != primary]
        if self.together:
            parallel_map(lambda node: self._member(plan, group, node), followers)
            count(len(followers))
        else:
            for node in followers:
                self._member(plan, group, node)
                count(1)
        # Any member may lead by now: there may have been an election meanwhile.
        for node in [node for node in outdated if not self._current(group, node)]:
            if len(group.nodes) > 1:
                replica_set.hand_over(plan, node.host, self.clients, self._deadline())
            self._member(plan, group, node)
            count(1)

    def _member(self, plan: SetPlan, group: Group, node: Node) -> None:
        """Restart one member, and wait until it has caught up with its set."""
        self._restart(group, node)
        self._follow(plan, [node])

    def _follow(self, plan: SetPlan, nodes: Sequence[Node]) -> None:
        """These members have caught up, so that the set can spare another one."""
        for node in nodes:
            replica_set.catch_up(plan, node.host, self.clients, self._deadline())

    def _routers(self, group: Group, count: Callable[[int], None]) -> None:
        """Routers one after another, so that clients always find one."""
        for node in group.nodes:
            if not self._current(group, node):
                self._restart(group, node)
                self._answers(node)
            count(int(self._concerns(node)))

    def _answers(self, node: Node) -> None:
        self._deadline().until(
            f"{node.name} to answer",
            lambda: status.router(node.host, self.clients).healthy or None,
        )

    def _concerns(self, node: Node) -> bool:
        return self.nodes is None or node.id in self.nodes

    def _current(self, group: Group, node: Node) -> bool:
        """Whether there is nothing to do for a node."""
        if not self._concerns(node):
            return True
        if not processes.is_current(self.context, self.instance, group, node, self.launch):
            return False
        if self.since is None:
            return True
        started = self.context.runtime.state(self._ref(node)).started_at
        return started is not None and started >= self.since

    def _restart(self, group: Group, node: Node) -> None:
        log.info("node restarts", instance=self.instance.id, node=node.id)
        if node.member is MemberRole.HIDDEN:
            end_at_once(node.host, self.clients)
        self.context.runtime.stop(self._ref(node), processes.STOP_GRACE)
        processes.ensure_one(self.context, self.instance, group, node, self.launch)

    def _deadline(self) -> Deadline:
        """Looks after all nodes of the instance, for nobody else does while a job works on it."""
        return processes.deadline(self.context, self.instance, self.launch, NODE_SECONDS)

    def _ref(self, node: Node) -> NodeRef:
        return NodeRef(self.instance.id, node.id)
