"""Looks for what was damaged inside MongoDB, and asks for its repair.

The monitor calls it. It finds damaged configurations of replica sets, and rights of the
administrator that are not what they should be; those of instances made by earlier versions are
among them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain.model import Instance, Status
from shardhouse.errors import DdsError
from shardhouse.mongo import administrator, replica_set, set_repair
from shardhouse.mongo.admin import Clients
from shardhouse.workflows.context import set_plan, user_group

INTERVAL = 60.0
"""Seconds between two inspections of an instance, and at least between two repairs."""
BACK_OFF = 4
LONGEST_INTERVAL = 24 * 3600.0
ABNORMAL_INTERVAL = 10.0
"""Seconds between two inspections of an instance that is not normal: damage may be why."""
SOON = 2.0
"""Seconds until a finding is looked at again: only what stays is repaired."""
log = structlog.get_logger()


def find(instance: Instance, clients: Clients) -> tuple[str, ...]:
    """What differs from what the store knows, in words; nothing while it cannot be seen, because a
    member does not answer or a set is electing."""
    found: list[str] = []
    for group in instance.data_groups:
        plan = set_plan(group)
        members = set_repair.examine(plan, clients)
        if members is not None:
            found += (f"{plan.name}: {one}" for one in set_repair.differences(plan, members))
    user_store = user_group(instance)
    primary = replica_set.find_primary([node.host for node in user_store.nodes], clients)
    if primary is not None:
        try:
            found += administrator.differences(clients[primary])
        except PyMongoError as error:
            log.debug("administrator not examined", instance=instance.id, reason=str(error))
    return tuple(found)


@dataclass
class _Case:
    """What is known of one instance: when to look again, what was found last, and when a repair may
    be asked for again."""

    due: float = 0.0
    normal: bool = True
    found: tuple[str, ...] = ()
    repair_due: float = 0.0
    delay: float = INTERVAL


class Inspector:
    """Asks for a repair of what stays damaged; if it remains, again after growing delays. `request`
    starts the job; it raises DdsError while the instance is busy."""

    def __init__(self, request: Callable[[Instance], None]) -> None:
        self._request = request
        self._cases: dict[str, _Case] = {}

    def inspect(self, instance: Instance, clients: Clients) -> None:
        """Look, if it is time to. Instances that a job works on are left to it."""
        case = self._cases.setdefault(instance.id, _Case())
        moment = time.monotonic()
        normal = instance.status is Status.NORMAL
        if case.normal and not normal:
            case.due = min(case.due, moment + SOON)
        case.normal = normal
        if instance.action or moment < case.due:
            return
        found = find(instance, clients)
        stays, case.found = found == case.found, found
        usual = INTERVAL if normal else ABNORMAL_INTERVAL
        case.due = moment + (usual if stays or not found else SOON)
        if not found:
            case.delay = INTERVAL
        elif stays and moment >= case.repair_due:
            log.warning("damage found", instance=instance.id, found=found)
            try:
                self._request(instance)
            except DdsError as error:
                log.info("not repaired now", instance=instance.id, reason=error.message)
            else:
                case.due, case.repair_due = moment + SOON, moment + case.delay
                case.delay = min(LONGEST_INTERVAL, case.delay * BACK_OFF)

    def forget(self, instance_id: str) -> None:
        """The instance is gone."""
        self._cases.pop(instance_id, None)
