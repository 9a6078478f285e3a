"""`shardhouse instance`: create, list, show, connect, delete, upgrade, uri; `restores`: clone."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from shardhouse.cli import output, passwords, uris
from shardhouse.cli.completion import instances, names
from shardhouse.cli.jobs import finish, started
from shardhouse.cli.options import DataDir, Json, PasswordStdin, WaitUsable, Yes
from shardhouse.cli.output import CliError
from shardhouse.client import orders
from shardhouse.client.orders import Order
from shardhouse.client.uris import hosts

if TYPE_CHECKING:
    from shardhouse.client.api import Client

Instance = dict[str, Any]
Named = Annotated[str, typer.Argument(metavar="NAME_OR_ID", autocompletion=names(instances))]

app = typer.Typer(no_args_is_help=True, help="Database instances.")


@app.command()
def create(
    name: Annotated[str | None, typer.Argument(show_default=False)] = None,
    mode: Annotated[
        Literal["sharding", "replicaset", "single"], typer.Option(help="How it is built.")
    ] = "single",
    version: Annotated[str, typer.Option(help="MongoDB version to ask for.")] = Order.version,
    spec: Annotated[
        str, typer.Option(help="Size of its nodes: SERIES.SIZE.RATIO, or SIZE.arm2.")
    ] = Order.spec,
    size: Annotated[int, typer.Option(help="GB of each data node's volume.")] = Order.size,
    shards: Annotated[int, typer.Option(help="Shards of a sharding instance.")] = Order.shards,
    mongos: Annotated[int, typer.Option(help="Routers of a sharding instance.")] = Order.mongos,
    members: Annotated[int, typer.Option(help="Members of a replicaset instance.")] = Order.members,
    port: Annotated[int | None, typer.Option(help="Port of all its nodes. [default: 8635]")] = None,
    zone: Annotated[str | None, typer.Option(help="Availability zone.")] = None,
    ssl: Annotated[
        bool | None, typer.Option("--ssl/--no-ssl", help="Require TLS, or have none.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="The API's own request body; then the other options do not count."),
    ] = None,
    password_stdin: PasswordStdin = False,
    wait: WaitUsable = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Create an instance.

    The password of its administrator rwuser comes from --password-stdin, from the variable
    SHARDHOUSE_INSTANCE_PASSWORD, from --file or from a prompt.
    """
    from shardhouse.cli.client import connect

    if (name is None) == (file is None):
        raise typer.BadParameter("either a NAME or --file is required, not both")
    with connect(data_dir) as client:
        if file is not None:
            body = orders.from_file(file)
            password = passwords.given(password_stdin, passwords.INSTANCE)
            if password is not None:
                body["password"] = password
        else:
            password = passwords.ask(
                password_stdin, passwords.INSTANCE, "Password of rwuser", confirm=True
            )
            order = Order(
                name=name or "",
                mode=mode,
                version=version,
                spec=spec,
                size=size,
                shards=shards,
                mongos=mongos,
                members=members,
                port=port,
                region=client.region,
                zone=zone,
                ssl=ssl,
            )
            body = order.body(password)
        answer = client.dds("POST", "instances", body)
        begun(client, answer, wait=wait, json=json)


@app.command("list")
def list_all(
    name: Annotated[str, typer.Option(help="Exact name, or * and a part of it.")] = "",
    mode: Annotated[str, typer.Option(help="Sharding, ReplicaSet or Single.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the project's instances, newest first."""
    from shardhouse.cli.client import connect

    filters = {key: value for key, value in (("name", name), ("mode", mode)) if value}
    with connect(data_dir) as client:
        found = list(client.instances(**filters))
    if json:
        output.print_json(found)
        return
    output.table(
        ("NAME", "MODE", "STATUS", "VERSION", "ENGINE", "PORT", "ID"),
        (
            (
                escape(one["name"]),
                one["mode"],
                output.status(one["status"]),
                one["datastore"]["version"],
                one["engine_version"],
                one["port"],
                one["id"],
            )
            for one in found
        ),
    )


@app.command()
def show(instance: Named, data_dir: DataDir = None, json: Json = False) -> None:
    """Show an instance with its groups and nodes."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        show_one(client, find(client, instance), json)


@app.command()
def delete(
    instance: Named,
    yes: Yes = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is gone.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Delete an instance and all its data."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = find(client, instance)
        words = f"Delete {found['name']} ({found['id']}) and all its data?"
        if not yes:
            typer.confirm(words, abort=True, err=True)
        answer = client.dds("DELETE", f"instances/{found['id']}")
        started(client, answer, wait=wait, json=json)


@app.command()
def upgrade(
    instance: Named,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="Release (5.0) or version (5.0.32). [default: the newest of its release]",
            show_default=False,
        ),
    ] = "",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="In less time, with interruptions of some seconds."),
    ] = False,
    delayed: Annotated[
        bool, typer.Option("--delayed", help="In the instance's next maintenance window.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is done.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Upgrade an instance to a newer MongoDB build, node by node, while it serves."""
    from shardhouse.cli.client import connect

    body: dict[str, Any] = {"is_delayed": delayed}
    if quick:
        body["upgrade_mode"] = "minimized_upgrade_time"
    if to:
        body["version"] = to
    with connect(data_dir) as client:
        found = find(client, instance)
        answer = client.dds("POST", f"instances/{found['id']}/db-upgrade", body)
        started(client, answer, wait=wait, json=json)


@app.command()
def uri(
    instance: Named,
    show_password: Annotated[
        bool,
        typer.Option(
            "--show-password",
            help="Put the password, which you give, into the URI: the API never shows it.",
        ),
    ] = False,
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Print an instance's mongodb:// address, its password masked."""
    from shardhouse.cli.client import connect

    password = None
    if show_password:
        password = passwords.ask(
            password_stdin, passwords.INSTANCE, "Password of rwuser", confirm=False
        )
    elif password_stdin:
        raise typer.BadParameter("--password-stdin goes with --show-password")
    with connect(data_dir) as client:
        address = uris.address(find(client, instance), client.credentials.data_dir, password)
    if json:
        output.print_json({"uri": address})
    else:
        print(address)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def connect(context: typer.Context, instance: Named, data_dir: DataDir = None) -> None:
    """Open an instance in mongosh, which asks for the password of rwuser.

    What follows the name goes to mongosh, for example --eval 'db.stats()'.
    """
    from shardhouse.cli.client import connect as log_in
    from shardhouse.domain.uris import MASK

    with log_in(data_dir) as client:
        masked = uris.address(find(client, instance), client.credentials.data_dir, None)
    address = masked.replace(f":{MASK}@", "@")
    program = shutil.which("mongosh")
    if program is None:
        raise CliError(
            "mongosh, MongoDB's shell, is not on the PATH. `npm install --global mongosh` brings "
            f"it; or give any other client the address {masked}"
        )
    os.execv(program, [program, address, *context.args])  # noqa: S606 - no shell is wanted


def find(client: "Client", name_or_id: str) -> Instance:
    """The one instance of this id or name. Raises CliError for none and for several."""
    found = list(client.instances(id=name_or_id)) or list(client.instances(name=name_or_id))
    if not found:
        raise CliError(f"There is no instance of name or id {name_or_id} in this project.")
    if len(found) > 1:
        ids = ", ".join(one["id"] for one in found)
        raise CliError(f"{len(found)} instances are named {name_or_id}; use an id: {ids}")
    return found[0]


def begun(client: "Client", answer: dict[str, Any], *, wait: bool, json: bool) -> None:
    """Show a new instance when it is made, or say which job makes it."""
    if wait:
        finish(client, answer["job_id"], quiet=json)
        show_one(client, find(client, answer["id"]), json)
    elif json:
        output.print_json(answer)
    else:
        output.facts([("instance", answer["id"]), ("job", answer["job_id"])])
        output.note(f"Follow it with `shardhouse job show {answer['job_id']} --watch`.")


def show_one(client: "Client", instance: Instance, as_json: bool) -> None:
    """Print an instance: its own facts, then its nodes group by group."""
    if as_json:
        output.print_json(instance)
        return
    datastore = instance["datastore"]
    scale = f"{instance['memory_scale']:g} of what the spec code says"
    output.facts(
        [
            ("name", escape(instance["name"])),
            ("id", instance["id"]),
            ("status", output.status(instance["status"])),
            ("mode", instance["mode"]),
            ("version", f"{datastore['version']} requested, {instance['engine_version']} runs"),
            *_lost_build(client, instance),
            ("address", escape(_address(instance, client))),
            ("TLS", "required" if instance["ssl"] else "none"),
            ("created", f"{instance['created']} UTC"),
            ("region", escape(f"{instance['region']} ({instance['availability_zone']})")),
            ("busy with", ", ".join(instance["actions"]) or "nothing"),
            ("memory", scale),
        ]
    )
    output.table(
        ("GROUP", "VOLUME", "NODE", "ROLE", "STATUS", "ADDRESS", "SPEC"),
        (row for group in instance["groups"] for row in _rows(group)),
    )


def _lost_build(client: "Client", instance: Instance) -> list[tuple[str, str]]:
    """That the build of an instance which is not well is gone, and how to get it back."""
    from shardhouse.engines import known

    # Instances of Shardhouse 0.1 have no build's name, but that of its version.
    name = instance["engine_build"] or instance["engine_version"]
    if instance["status"] == "normal":
        return []
    here = client.dds("GET", "datastores/DDS-Community/versions")["builds"]
    if any(build == name or build.partition("-")[0] == name for build in here):
        return []
    return [("build", f"[red]{name} is not here.[/] {known.way_back(name)}")]


def _address(instance: Instance, client: "Client") -> str:
    if not hosts(instance):
        return "none yet"
    return uris.address(instance, client.credentials.data_dir, None)


def _rows(group: dict[str, Any]) -> list[list[str]]:
    volume = group.get("volume")
    words = f"{volume['used']} of {volume['size']} GB" if volume else ""
    return [
        [
            *([group.get("name") or group["type"], words] if number == 0 else ["", ""]),
            escape(node["name"]),
            node["role"],
            output.status(node["status"]),
            escape(node["host"]) or "internal",
            node["spec_code"],
        ]
        for number, node in enumerate(group["nodes"])
    ]
