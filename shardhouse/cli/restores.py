"""`shardhouse restore` and `shardhouse instance clone`: data of a backup, or of a time."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shardhouse.cli import moments, output, passwords
from shardhouse.cli.backups import find_backup
from shardhouse.cli.completion import backups, names
from shardhouse.cli.instances import Named, begun, find
from shardhouse.cli.jobs import started
from shardhouse.cli.options import DataDir, Json, NewPort, PasswordStdin, SpecLike, WaitUsable, Yes
from shardhouse.cli.output import CliError
from shardhouse.client import orders

if TYPE_CHECKING:
    from shardhouse.client.api import Client

PATIENCE = 60.0
"""Seconds to wait until what was written right now is captured: some seconds, as a rule."""
_PAUSE = 0.5
BackupOption = Annotated[
    str,
    typer.Option(
        "--backup",
        metavar="BACKUP",
        help="A backup's name or id.",
        autocompletion=names(backups),
    ),
]
At = Annotated[str, typer.Option("--at", metavar="TIME", help=f"How it was then: {moments.HELP}")]


def restore(
    instance: Named,
    backup: BackupOption = "",
    at: At = "",
    yes: Yes = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is done.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Replace all data of an instance by that of a backup, or by its own at an earlier time.

    It serves its present data while the other is prepared, and is away while
    they are swapped. If anything fails, it has the data that it had. The
    administrator's password stays.

    `shardhouse backup times` lists the times. `shardhouse instance clone`
    restores to a new instance instead.
    """
    from shardhouse.cli.client import connect

    _check(backup, at)
    with connect(data_dir) as client:
        found = find(client, instance)
        if backup:
            chosen = find_backup(client, backup)
            source = {"type": "backup", "backup_id": chosen["id"]}
            words = (
                f"that of backup {chosen['name']} ({chosen['id']}) of {chosen['begin_time']} UTC"
            )
        else:
            moment = moments.parse(at, datetime.now(UTC))
            source = _of_moment(client, found, moment)
            words = f"its own of {moments.local(moment)}"
        question = f"Replace all data of {found['name']} ({found['id']}) by {words}?"
        if not yes:
            typer.confirm(question, abort=True, err=True)
        body = {"source": source, "target": {"instance_id": found["id"]}}
        answer = client.dds("POST", "instances/recovery", body)
        started(client, answer, wait=wait, json=json)


def clone(
    instance: Named,
    name: Annotated[str, typer.Argument(metavar="NEWNAME", help="Name of the new instance.")],
    backup: BackupOption = "",
    at: At = "",
    spec: SpecLike = "",
    port: NewPort = None,
    password_stdin: PasswordStdin = False,
    wait: WaitUsable = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Create an instance with the data of a backup, or with that of another one at a time.

    The other one is left alone. It may have been deleted: with --backup at any
    time, with --at while it is in the recycle bin. The new one is built like
    it.

    The password of rwuser comes from --password-stdin or from the variable
    SHARDHOUSE_INSTANCE_PASSWORD; without either it is the one that the data
    has.
    """
    from shardhouse.cli.client import connect

    _check(backup, at)
    with connect(data_dir) as client:
        password = passwords.given(password_stdin, passwords.INSTANCE)
        if backup:
            chosen = find_backup(client, backup)
            origin = _origin(client, chosen, instance)
            mode = chosen["instance_mode"]
            source = {"type": "backup", "backup_id": chosen["id"]}
        else:
            moment = moments.parse(at, datetime.now(UTC))
            if recycled := _recycled(client, instance):
                origin, mode = None, recycled["mode"]
                source = _point(recycled, moment)
            else:
                origin = find(client, instance)
                mode = origin["mode"]
                source = _of_moment(client, origin, moment)
        flavor = orders.flavor_like(origin, mode, spec)
        place = orders.place_like(origin, client.region)
        body = orders.restoring(name, source, flavor, place, password=password, port=port)
        answer = client.dds("POST", "instances", body)
        begun(client, answer, wait=wait, json=json)


def _check(backup: str, at: str) -> None:
    if bool(backup) == bool(at):
        raise typer.BadParameter("either --backup or --at is required, not both")


def _origin(client: "Client", backup: dict[str, Any], named: str) -> dict[str, Any] | None:
    """The instance that was backed up; None if it is gone. Raises CliError if it is not the one
    that was named."""
    found = next(client.instances(id=backup["instance_id"]), None)
    names = {backup["instance_id"], backup["instance_name"]} | ({found["name"]} if found else set())
    if named not in names:
        raise CliError(
            f"The backup {backup['name']} is of instance {backup['instance_name']} "
            f"({backup['instance_id']}), not of {named}."
        )
    return found


def _of_moment(client: "Client", instance: dict[str, Any], moment: int) -> dict[str, Any]:
    """What an instance held at a moment, as calls name it. One that has just passed is waited for
    until it is captured. Raises CliError where it cannot be restored to it."""
    now = moments.milliseconds(datetime.now(UTC))
    if moment > now:
        raise CliError(f"{moments.local(moment)} is in the future. `now` is the latest time.")
    _await(client, instance, moment, recent=now - moment < PATIENCE * 1000)
    return _point(instance, moment)


def _point(instance: dict[str, Any], moment: int) -> dict[str, Any]:
    return {"type": "timestamp", "instance_id": instance["id"], "restore_time": moment}


def _recycled(client: "Client", name_or_id: str) -> dict[str, Any] | None:
    """The deleted instance of this id or name, where there is none that was not deleted: of one
    name, the last that was deleted."""
    for filters in ({"id": name_or_id}, {"name": name_or_id}):
        if next(client.instances(**filters), None):
            return None
    return next((one for one in client.recycled() if name_or_id in (one["id"], one["name"])), None)


def _await(client: "Client", instance: dict[str, Any], moment: int, *, recent: bool) -> None:
    patience = time.monotonic() + PATIENCE
    captured = int(instance["backup_strategy"]["keep_days"]) > 0
    told = False
    while True:
        ranges = client.restore_times(instance["id"])
        if any(start <= moment <= end for start, end in ranges):
            return
        behind = captured and (not ranges or moment > ranges[-1][1])
        if not recent or not behind or time.monotonic() > patience:
            raise CliError(_refusal(instance["name"], moment, ranges))
        if not told:
            output.note("Waiting until what was written then is captured ...")
            told = True
        time.sleep(_PAUSE)


def _refusal(name: str, moment: int, ranges: list[tuple[int, int]]) -> str:
    if not ranges:
        return (
            f"{name} cannot be restored to a time: nothing is captured yet behind a full backup. A "
            "policy makes one, and captures all that is written since: `shardhouse backup policy`."
        )
    words = ", ".join(f"{moments.local(start)} to {moments.local(end)}" for start, end in ranges)
    return (
        f"{name} cannot be restored to {moments.local(moment)}. Times to which it can: {words}. "
        "Without automatic backups (`shardhouse backup policy`), nothing more is captured."
    )
