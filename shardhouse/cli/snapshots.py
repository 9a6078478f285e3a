"""`shardhouse snapshot`: an instance with its data as one file, to make others of."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress as Bar

from shardhouse.cli import output, passwords
from shardhouse.cli.downloads import progress_bar
from shardhouse.cli.instances import Named, begun, find
from shardhouse.cli.jobs import finish
from shardhouse.cli.options import DataDir, Json, NewPort, PasswordStdin, SpecLike, WaitUsable
from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from shardhouse.client.api import Client
    from shardhouse.contract.snapshots import Snapshot

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Its file, or NAME of NAME.snapshot.", show_default=False),
]

app = typer.Typer(no_args_is_help=True, help="Instances with their data as files.")


@app.command()
def save(
    instance: Named,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="[default: INSTANCE.snapshot]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Save an instance with its data as one file. It goes on serving.

    The file has all that the instance has: data, indexes, users and roles with
    their passwords' hashes, how collections are sharded. It is not encrypted;
    only you can read it (mode 0600).
    """
    from shardhouse.cli.client import connect
    from shardhouse.client import snapshots

    with connect(data_dir) as client:
        found = find(client, instance)
        path = to or Path(found["name"] + snapshots.SUFFIX)

        def follow(client: "Client", job_id: str) -> None:
            finish(client, job_id, quiet=json)

        with _bar(path, quiet=json) as progress:
            snapshots.save(client, found["id"], path, force=force, finish=follow, progress=progress)
    if json:
        output.print_json(_facts(path, snapshots.read(path)))
    else:
        output.facts([("file", escape(str(path))), ("size", output.megabytes(path.stat().st_size))])


@app.command()
def load(
    file: FileArgument,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the new instance; without it that of the one that was saved.",
            show_default=False,
        ),
    ] = None,
    spec: SpecLike = "",
    port: NewPort = None,
    password_stdin: PasswordStdin = False,
    wait: WaitUsable = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Create an instance with the data of a snapshot, in this installation or any other.

    It is built like the one that was saved, on a MongoDB build of the same
    release. The password of rwuser comes from --password-stdin or from the
    variable SHARDHOUSE_INSTANCE_PASSWORD; without either it is the one that the
    data has. Load snapshots of people you trust only.
    """
    from shardhouse.cli.client import connect
    from shardhouse.client import snapshots

    path = _path(file)
    with connect(data_dir) as client:
        wanted = name or snapshots.read(path).instance.name
        if name is None and next(client.instances(name=wanted), None):
            raise CliError(f"There is an instance named {wanted}: give another name with --name.")
        password = passwords.given(password_stdin, passwords.INSTANCE)
        with _bar(path, quiet=json) as progress:
            answer = snapshots.load(
                client,
                path,
                name=wanted,
                password=password,
                spec=spec,
                port=port,
                progress=progress,
            )
        begun(client, answer, wait=wait, json=json)


@app.command()
def show(file: FileArgument, json: Json = False) -> None:
    """Show what a snapshot holds, and that all of it is as it was written. No service is needed."""
    from shardhouse.client import snapshots

    path = _path(file)
    snapshot = snapshots.check(path)
    facts = _facts(path, snapshot)
    if json:
        output.print_json(facts)
        return
    instance, size = snapshot.instance, output.megabytes
    output.facts(
        [
            ("file", escape(str(path))),
            ("size", f"{size(facts['size'])}, {size(snapshot.data_size)} unpacked"),
            ("taken", f"{snapshot.end:%Y-%m-%d %H:%M:%S} UTC"),
            ("name", escape(instance.name)),
            ("mode", instance.mode),
            ("version", escape(f"{instance.version} requested, {instance.engine_version} ran")),
            ("TLS", "required" if instance.ssl else "none"),
            ("checksums", "right"),
        ]
    )
    output.table(
        ("GROUP", "NODES", "VOLUME", "SPEC"),
        (
            (
                escape(group.name),
                str(group.nodes),
                f"{group.size} GB" if group.type.holds_data else "",
                escape(group.spec_code),
            )
            for group in instance.groups
        ),
    )


def _path(file: Path) -> Path:
    """The file, or that of a name."""
    from shardhouse.client.snapshots import SUFFIX

    named = file.with_name(file.name + SUFFIX)
    return named if not os.path.exists(file) and os.path.exists(named) else file


def _facts(path: Path, snapshot: "Snapshot") -> dict[str, Any]:
    return {
        "file": str(path),
        "size": path.stat().st_size,
        "data_size": snapshot.data_size,
        **snapshot.model_dump(mode="json", include={"format", "begin", "end", "instance"}),
    }


@contextmanager
def _bar(path: Path, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """What draws how far a file has been transferred; its bar is there from the first piece on."""
    with ExitStack() as drawn:
        draw: Callable[[int], None] | None = None

        def progress(done: int, total: int) -> None:
            nonlocal draw
            if draw is None:
                draw = _drawn(drawn.enter_context(progress_bar(quiet=quiet)), path, total)
            draw(done)

        yield progress


def _drawn(bar: Bar | None, path: Path, total: int) -> Callable[[int], None]:
    if bar is None:
        return lambda done: None
    task = bar.add_task(path.name, total=total)
    return lambda done: bar.update(task, completed=done)
