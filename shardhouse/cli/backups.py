"""`shardhouse backup`: make, list, keep, verify and download backups."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from shardhouse.cli import downloads, moments, output, passwords, uris
from shardhouse.cli.completion import backups, instances, names
from shardhouse.cli.instances import Named, find
from shardhouse.cli.jobs import finish, started
from shardhouse.cli.options import DataDir, Json, PasswordStdin, Yes
from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from shardhouse.client.api import Client

Backup = dict[str, Any]
BackupName = Annotated[
    str, typer.Argument(metavar="BACKUP", help="Its name or id.", autocompletion=names(backups))
]
EVERY_DAY = "1,2,3,4,5,6,7"

app = typer.Typer(no_args_is_help=True, help="Backups of instances.")


@app.command()
def create(
    instance: Named,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="4 to 64 letters, digits, - and _, a letter first. No other backup has it.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        str | None, typer.Option("--name", help="The same as NAME.", show_default=False)
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is made.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Back an instance up while it serves. The backup stays until it is deleted."""
    from shardhouse.cli.client import connect

    if (name is None) == (named is None):
        raise typer.BadParameter("either NAME or --name is required, not both")
    with connect(data_dir) as client:
        body = {"instance_id": find(client, instance)["id"], "name": name or named}
        if description:
            body["description"] = description
        answer = client.dds("POST", "backups", {"backup": body})
        if wait:
            finish(client, answer["job_id"], quiet=json)
            _show(find_backup(client, answer["backup_id"]), json)
        elif json:
            output.print_json(answer)
        else:
            output.facts([("backup", answer["backup_id"]), ("job", answer["job_id"])])
            output.note(f"Follow it with `shardhouse job show {answer['job_id']} --watch`.")


@app.command("list")
def list_all(
    instance: Annotated[
        str,
        typer.Option(
            help="Of this instance only: name or id. It may be gone by now.",
            autocompletion=names(instances),
        ),
    ] = "",
    kind: Annotated[
        Literal["Auto", "Manual", "Incremental"] | None,
        typer.Option(
            "--type",
            help="Auto (made by a policy), Manual, or Incremental of one instance.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the project's backups, newest first. They outlive their instances."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        filters: dict[str, str] = {"backup_type": kind} if kind else {}
        if kind == "Incremental":
            if not instance:
                raise typer.BadParameter("--type Incremental goes with --instance")
            filters["instance_id"] = find(client, instance)["id"]
        found = list(client.backups(**filters))
        if instance:
            ids = {instance, *(one["id"] for one in client.instances(name=instance))}
            found = [
                one
                for one in found
                if one["instance_id"] in ids or one["instance_name"] == instance
            ]
    if json:
        output.print_json(found)
        return
    output.table(
        ("NAME", "INSTANCE", "TYPE", "STATUS", "BEGUN (UTC)", "SIZE", "ID"),
        (
            (
                escape(one["name"]),
                escape(one["instance_name"]),
                one["type"],
                output.status(one["status"]),
                one["begin_time"],
                _size(one),
                one["id"],
            )
            for one in found
        ),
    )


@app.command()
def show(backup: BackupName, data_dir: DataDir = None, json: Json = False) -> None:
    """Show a backup."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        _show(find_backup(client, backup), json)


@app.command()
def delete(
    backup: BackupName,
    yes: Yes = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is gone.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Delete a backup with its files."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = find_backup(client, backup)
        words = f"Delete backup {found['name']} ({found['id']}) of {found['instance_name']}?"
        if not yes:
            typer.confirm(words, abort=True, err=True)
        answer = client.dds("DELETE", f"backups/{found['id']}")
        started(client, answer, wait=wait, json=json)


@app.command()
def stop(
    backup: BackupName,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it has ended.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Stop making a backup. What there is of it is removed, and it is listed as FAILED."""
    from shardhouse.cli.client import connect
    from shardhouse.cli.jobs import follow

    with connect(data_dir) as client:
        answer = client.dds(
            "PUT", f"backups/{find_backup(client, backup)['id']}", {"action": "stop"}
        )
        if wait:
            job = follow(client, answer["job_id"], quiet=json)
            if json:
                output.print_json(job)
            if job["status"] == "Completed":
                raise CliError(f"The backup was complete before it could be stopped: {backup}.")
        else:
            started(client, answer, wait=False, json=json)


@app.command()
def policy(
    instance: Named,
    keep_days: Annotated[
        int | None,
        typer.Option(
            help="Days that automatic backups stay; 0 ends automatic backups.", show_default=False
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="hh:mm-HH:MM", help="The hour, UTC, in which one begins.", show_default=False
        ),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(
            metavar="1,2,...",
            help="Days of the week, 1 is Monday; without it as before, or every day.",
            show_default=False,
        ),
    ] = None,
    incremental: Annotated[
        bool | None,
        typer.Option(
            "--incremental/--no-incremental",
            help="Whether what is written between full backups is captured, too.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show when an instance is backed up by itself; with options, change it.

    A policy that is set begins with a full backup at once. From there on
    everything that is written is captured, so that the instance can be restored
    to any time.
    """
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        path = f"instances/{find(client, instance)['id']}/backups/policy"
        present = client.dds("GET", path)["backup_policy"]
        wanted: dict[str, Any] = {}
        if (keep_days, window, days) != (None, None, None):
            wanted |= _policy(present, keep_days, window, days)
        if incremental is not None:
            wanted["enable_incremental_backup"] = incremental
        if wanted:
            client.dds("PUT", path, {"backup_policy": wanted})
            present = client.dds("GET", path)["backup_policy"]
    if json:
        output.print_json(present)
    elif not present["keep_days"]:
        output.facts([("automatic backups", "none")])
    else:
        output.facts(
            [
                ("kept", f"{present['keep_days']} days"),
                ("begun", f"{present['start_time']} UTC"),
                ("days", f"{present['period']} (1 is Monday)"),
                ("any time", "yes" if present["enable_incremental_backup"] else "no"),
            ]
        )


@app.command()
def times(instance: Named, data_dir: DataDir = None, json: Json = False) -> None:
    """List the times to which an instance can be restored, both ends included."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = client.restore_times(find(client, instance)["id"])
    if json:
        output.print_json(
            [
                {"start_time": start, "end_time": end}
                | {"start": moments.utc(start), "end": moments.utc(end)}
                for start, end in found
            ]
        )
        return
    if not found:
        output.note(
            "To none: no full backup is complete. Set a policy with `shardhouse backup policy`, "
            "or make a backup with `shardhouse backup create`."
        )
        return
    rows = [
        (zone, words(start), words(end))
        for start, end in found
        for zone, words in (("local", moments.local), ("UTC", moments.utc))
    ]
    output.table(("TIME", "FROM", "TO"), rows)


@app.command()
def export(
    backup: BackupName,
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="[FOLDER|-]",
            help="Where files go; - is standard output.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--to", "--out", "-o", help="The same as FOLDER.", show_default=False),
    ] = None,
    form: Annotated[
        Literal["files", "mongodump"],
        typer.Option("--format", help="MongoDB's own files, or a dump for mongorestore."),
    ] = "files",
    archive: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            help="Of mongodump: one file instead of a folder; - is standard output.",
            show_default=False,
        ),
    ] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Of mongodump: compressed.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Download a backup, decrypted: its files, or a dump of its databases.

    --format files is a tar archive of each replica set: the data directory of a
    member, for a mongod of the version that was backed up. Of a cluster,
    oplog.bson has what was written between the copy and the backup's moment.

    --format mongodump is what mongodump would write of all databases, and what
    mongorestore and `shardhouse backup import` read. The service restores the
    backup aside for it, which takes as much disk as one member of each replica
    set. Users and roles are left out. docs/backups.md says how to use both.
    """
    from shardhouse.cli.client import connect

    if [folder, out, archive].count(None) != 2:
        raise typer.BadParameter("one of FOLDER, --to and --archive is required")
    if form == "files" and (archive is not None or gzip):
        raise typer.BadParameter("--archive and --gzip go with --format mongodump")
    if form == "mongodump" and "-" in (folder, out):
        raise typer.BadParameter("--archive - writes a dump to standard output")
    place = folder or out or archive or ""
    if place == "-" and json:
        raise typer.BadParameter("--json and an archive cannot both go to standard output")
    with connect(data_dir) as client:
        found = find_backup(client, backup)
        if form == "mongodump":
            paths = _dump(client, found, place, whole=archive is not None, gzip=gzip, quiet=json)
        elif place == "-":
            downloads.to_stdout(client, found, quiet=False)
            return
        else:
            paths = downloads.to_folder(client, found, Path(place), quiet=json)
    if json:
        output.print_json([{"file": str(path), "size": path.stat().st_size} for path in paths])
    else:
        for path in paths:
            print(path)


def _dump(
    client: "Client", backup: Backup, place: str, *, whole: bool, gzip: bool, quiet: bool
) -> list[Path]:
    """Have the service dump a backup, and fetch that; the files that were written."""
    target = downloads.DumpTarget(place, whole=whole, gzip=gzip)
    target.check()
    answer = client.dds("POST", f"backups/{backup['id']}/dump")
    finish(client, answer["job_id"], quiet=quiet)
    params = {"job_id": answer["job_id"]}
    link = client.dds("GET", f"backups/{backup['id']}/dump", params=params)
    return target.fetch(client, link, quiet=quiet)


@app.command()
def verify(
    backup: BackupName,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Follow it, and say what was found.")
    ] = True,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Restore a backup aside, look whether it is sound, and remove that again.

    The service unpacks all files and compares their checksums, has MongoDB
    replay what was written until the backup's moment, and validates every
    collection with its indexes. What was captured since is decrypted as well,
    and is complete and in order up to the newest time that the backup leads to.
    No instance is touched; it takes as much disk as one member of each replica
    set. The exit code is 1 where something is wrong.
    """
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = find_backup(client, backup)
        answer = client.dds("POST", f"backups/{found['id']}/verify")
        if not wait:
            started(client, answer, wait=False, json=json)
            return
        job = finish(client, answer["job_id"], quiet=json, as_json=json)
    if not json:
        output.facts(
            [
                ("backup", escape(f"{found['name']} ({found['id']})")),
                ("files", "all stored objects decrypted, all checksums right"),
                ("data", "replayed and validated by MongoDB: every collection and index"),
                ("found", escape("; ".join(_counts(job)))),
            ]
        )


@app.command("import")
def import_dump(
    dump: Annotated[
        Path, typer.Argument(metavar="DUMP", help="A folder of mongodump, or its --archive.")
    ],
    instance: Named,
    drop: Annotated[
        bool, typer.Option("--drop", help="Replace collections that are there already.")
    ] = False,
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write a dump of another MongoDB into an instance: collections, indexes, views.

    DUMP is what mongodump wrote, gzipped or not. Nothing is written where a
    collection of it is there already, unless --drop is given. Users and roles
    are left out, as is an oplog. The password of rwuser comes from
    --password-stdin, from the variable SHARDHOUSE_INSTANCE_PASSWORD, or is asked
    for.
    """
    from pymongo import MongoClient

    from shardhouse.backups import dumps, importing
    from shardhouse.cli.client import connect

    found = dumps.read(dump)
    password = passwords.ask(
        password_stdin, passwords.INSTANCE, "Password of rwuser", confirm=False
    )
    with connect(data_dir) as client:
        address = uris.address(find(client, instance), data_dir, password)
    with downloads.progress_bar(quiet=json) as bar, MongoClient[dict[str, Any]](address) as into:
        task = None if bar is None else bar.add_task(dump.name, total=found.size)

        def progress(read: int) -> None:
            if bar is not None and task is not None:
                bar.advance(task, read)

        done = importing.load(found, into, drop=drop, progress=progress)
    if json:
        output.print_json(asdict(done))
        return
    output.facts(
        [
            ("collections", str(done.collections)),
            ("documents", str(done.documents)),
            ("left out", escape(", ".join(done.left_out))),
        ]
    )


def _counts(job: dict[str, Any]) -> list[str]:
    """How much of what was found in each replica set: entries replayed, documents validated,
    captured entries checked."""
    return [step["detail"] for step in job["steps"] if ": " in step["detail"]]


def find_backup(client: "Client", name_or_id: str) -> Backup:
    """The backup of this id or name. Raises CliError where there is none."""
    found = list(client.backups(backup_id=name_or_id))
    # The API finds parts of names.
    found += [one for one in client.backups(backup_name=name_or_id) if one["name"] == name_or_id]
    if not found:
        raise CliError(
            f"There is no backup of name or id {name_or_id} in this project; `shardhouse backup "
            "list` shows those there are."
        )
    return found[0]


def _show(backup: Backup, as_json: bool) -> None:
    if as_json:
        output.print_json(backup)
        return
    output.facts(
        [
            ("name", escape(backup["name"])),
            ("id", backup["id"]),
            ("instance", escape(f"{backup['instance_name']} ({backup['instance_id']})")),
            ("mode", backup["instance_mode"]),
            ("type", backup["type"]),
            ("status", output.status(backup["status"])),
            ("begun", f"{backup['begin_time']} UTC"),
            ("ended", f"{backup['end_time']} UTC" if backup["end_time"] else ""),
            ("size", _size(backup)),
            ("description", escape(backup["description"])),
            ("deletable", "yes" if backup["deletable"] else "no"),
        ]
    )


def _size(backup: Backup) -> str:
    """Bytes as stored; the API rounds up to KB."""
    return output.megabytes(backup["size"] * 1024)


def _policy(
    present: dict[str, Any], keep_days: int | None, window: str | None, days: str | None
) -> dict[str, Any]:
    """What is asked for; the rest as it is."""
    if keep_days is None:
        keep_days = present["keep_days"]
        if not keep_days:
            raise CliError("There are no automatic backups now: --keep-days is needed as well.")
    if keep_days == 0:
        return {"keep_days": 0}
    start_time = window or present.get("start_time")
    if not start_time:
        raise CliError("There are no automatic backups now: --window is needed as well.")
    period = days or present.get("period", EVERY_DAY)
    return {"keep_days": keep_days, "start_time": start_time, "period": period}
