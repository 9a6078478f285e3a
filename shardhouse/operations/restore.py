"""Restoring what was backed up: to a new instance, or in place of an instance's own data.

Both recover the data aside, where no client reaches it: a member's files are unpacked, MongoDB
itself replays what was written after them, the result is looked at, and the replica set is founded
anew from it. Only then does it take its place. An instance whose data is replaced serves until
then, and gets its own data back if anything fails.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.contract.backups import RESTORE_INSTANCE
from shardhouse.domain import policy, restoring
from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance
from shardhouse.engines.catalogue import release
from shardhouse.errors import DdsError, ShardhouseError
from shardhouse.mongo import administrator, replica_set
from shardhouse.mongo.admin import Client, Clients, accepts, end_at_once
from shardhouse.mongo.wait import Deadline
from shardhouse.operations import create
from shardhouse.operations.tasks import recovering, verify
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.store import instances
from shardhouse.workflows import launch, limits, processes, snapshots
from shardhouse.workflows.context import now, parallel_map, set_plan, user_group
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step
from shardhouse.workflows.restorable import Point

UNPACK = Step("Unpack the backup", recovering.unpack)
REPLAY = Step("Replay what was written since", recovering.replay)
_ANSWER = 3.0
"""Seconds in which a member answers that is not frozen."""


@dataclass(frozen=True)
class Wanted:
    """A call that was checked: what replaces an instance's data."""

    point: Point


def recovery(point: Point, instance: Instance) -> Recovery:
    """Arguments of a job that brings a restore point to an instance. Raises DdsError 400 for one
    that is built otherwise."""
    backup = point.backup
    groups = restoring.sources(instance, backup)
    return Recovery(
        backup.id, backup.instance_id, point.upto, point.by_time, groups, point.imported
    )


def name(point: Point, *, new: bool) -> str:
    """Name of the job (Huawei DDS, "Querying a Task")."""
    kind = "MongodbPitr" if point.by_time else "MongodbRestoreData"
    return f"{kind}2{'New' if new else 'Current'}Instance"


def _plan(asked: Asked[Wanted]) -> Planned[Recovery]:
    """Raises DdsError 400 where the data does not fit the instance."""
    point, instance = asked.body.point, asked.instance
    if release(point.backup.engine_version) != release(instance.engine_version):
        raise DdsError(
            codes.NOT_LEGAL_HERE,
            f"The backup is of MongoDB {point.backup.engine_version}, and {instance.id} runs "
            f"{instance.engine_version} by now: restore it to a new instance.",
        )
    return Planned(recovery(point, asked.instance), job=name(point, new=False))


def found(run: Run[Recovery]) -> None:
    """Each set is founded anew, with the members of this instance."""
    recovering.found(run, administrator=None)


def found_in_place(run: Run[Recovery]) -> None:
    """The same; the administrator's password stays the one that the instance has."""
    with run.context.clients(run.instance) as clients:
        user_store = set_plan(user_group(run.instance))
        deadline = processes.deadline(run.context, run.instance)
        kept = administrator.read(user_store.hosts, clients, deadline)
    recovering.found(run, administrator=kept)


def connect(run: Run[Recovery]) -> None:
    """The administrator has the password that was asked for; without one, that of the backup. In
    data that came as a snapshot nobody has rights that are reserved."""
    password = run.context.secrets(run.instance.id).get(launch.PASSWORD)
    if password is None:
        run.report("the password of rwuser is that of the backup")
    processes.ensure_all(run.context, run.instance)
    with run.context.clients(run.instance) as clients:
        hosts = set_plan(user_group(run.instance)).hosts
        deadline = processes.deadline(run.context, run.instance)
        if password is not None:
            administrator.ensure(hosts, password, clients, deadline)
        if run.arguments.imported:
            _restrict(run, hosts, clients, deadline)


def _restrict(
    run: Run[Recovery], user_store: Sequence[str], clients: Clients, deadline: Deadline
) -> None:
    """Raises StepError where users or roles of the data hold what is reserved."""

    def primary(hosts: Sequence[str]) -> Client:
        return clients[
            deadline.until("a primary", lambda: replica_set.find_primary(hosts, clients))
        ]

    found = [
        words
        for group in run.instance.data_groups
        for words in administrator.holders(primary(set_plan(group).hosts))
    ]
    if not found:
        found += administrator.restrict(primary(user_store))
    recovering.check_holders(found)


def put_in_place(run: Run[Recovery]) -> None:
    """The recovered data is the nodes' own. What they had lies aside, until all is verified."""
    if not recovering.is_in_place(run):
        _end_all(run)
        recovering.put_in_place(run)
    processes.ensure_all(run.context, run.instance)
    run.report(f"nodes with the recovered data: {len(run.instance.nodes)}")


def _end_all(run: Run[Recovery]) -> None:
    """No process runs. None waits for its clients to turn to another: all end."""
    hosts = [host for group in run.instance.data_groups for host in set_plan(group).hosts]
    with (
        run.context.clients(run.instance) as clients,
        clients.with_timeouts(_ANSWER, _ANSWER) as impatient,
    ):
        parallel_map(lambda host: end_at_once(host, impatient), filter(accepts, hosts))
    processes.stop_all(run.context, run.instance)


def clean_up(run: Run[Recovery]) -> None:
    """What the nodes had before is gone, and a snapshot that was sent for this. Not a step: half of
    it removed, a failure could not be rolled back."""
    recovering.clean_up(run)
    snapshots.restored(run.context, run.arguments.origin_id, run.job.id)
    create.restore_heartbeat_interval(run)


def back_to_old(run: Run[Recovery]) -> None:
    """The nodes have the data that they had, and serve it."""
    if recovering.is_replaced(run):
        processes.stop_all(run.context, run.instance)
        recovering.put_back(run)
    recovering.clean_up(run)
    processes.ensure_all(run.context, run.instance)


def stop(run: Run[Recovery]) -> None:
    """Nothing of the new instance runs; its volumes stay, for their logs, until it is deleted."""
    create.stop(run)
    with suppress(ShardhouseError):
        recovering.clean_up(run)
    with suppress(ShardhouseError):
        snapshots.restored(run.context, run.arguments.origin_id, run.job.id)


def since_now(connection: Connection, run: Run[Recovery]) -> None:
    """A backup is due: those from before do not lead on to what is written from here on."""
    since = Change(policies={policy.BACKUPS_SINCE: {"at": now().isoformat()}})
    instances.apply(connection, run.instance.id, since, now())


TO_NEW = Operation(
    "RESTORE_TO_NEW_INSTANCE",
    "MongodbRestoreData2NewInstance",
    Recovery,
    (
        Step("Prepare volumes and addresses", create.prepare),
        UNPACK,
        REPLAY,
        Step("Verify and found the replica sets anew", found),
        Step("Put the data in place", put_in_place),
        Step("Form replica sets", create.form),
        Step("Set the administrator's password", connect),
        Step("Verify a majority write", create.verify),
    ),
    done=create.succeed,
    failed=create.fail,
    roll_back=stop,
    limit=limits.copying,
    after_commit=clean_up,
)
IN_PLACE = Operation(
    "RESTORE",
    "MongodbRestoreData2CurrentInstance",
    Recovery,
    (
        UNPACK,
        REPLAY,
        Step("Verify and found the replica sets anew", found_in_place),
        Step("Replace the data", put_in_place),
        Step("Form replica sets", create.form),
        Step("Verify a majority write", verify.majority_write),
    ),
    call=RESTORE_INSTANCE,
    plan=_plan,
    done=since_now,
    roll_back=back_to_old,
    limit=limits.copying,
    after_commit=clean_up,
)
