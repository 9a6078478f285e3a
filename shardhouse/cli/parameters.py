"""`shardhouse parameter`: what an instance's servers have, and changing it."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from shardhouse.cli import output
from shardhouse.cli.instances import Named, find
from shardhouse.cli.jobs import started
from shardhouse.cli.options import DataDir, Json
from shardhouse.cli.output import CliError

Part = Annotated[
    str,
    typer.Option(
        help="Id of a shard, of the config servers, of a mongos node or a read replica. "
        "[default: the instance]",
        show_default=False,
    ),
]

app = typer.Typer(no_args_is_help=True, help="Parameters of MongoDB's servers.")


@app.command("list")
def list_all(
    instance: Named, part: Part = "", data_dir: DataDir = None, json: Json = False
) -> None:
    """List the parameters of an instance, or of a part of it, as its servers have them."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = find(client, instance)
        entity = {"entity_id": part or found["id"]}
        answer = client.dds("GET", f"instances/{found['id']}/configurations", params=entity)
    parameters = answer["parameters"]
    if json:
        output.print_json(parameters)
        return
    output.table(("NAME", "VALUE", "AFTER A RESTART", "ALLOWED"), map(_row, parameters))


@app.command("set")
def set_some(
    instance: Named,
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...")],
    part: Part = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is done.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Set parameters of an instance, or of a part of it."""
    from shardhouse.cli.client import connect

    given = dict(map(_pair, values))
    with connect(data_dir) as client:
        found = find(client, instance)
        body = {"entity_id": part or found["id"], "parameter_values": given}
        answer = client.dds("PUT", f"instances/{found['id']}/configurations", body)
        started(client, answer, wait=wait, json=json)
    if answer["restart_required"]:
        output.note("Some of them have effect after a restart of the instance.")


def _row(one: dict[str, Any]) -> list[str]:
    return [
        escape(one["name"]),
        escape(one["value"]),
        escape(one.get("pending_value", "")),
        escape(one["value_range"]),
    ]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CliError(f"{text} is not NAME=VALUE.")
    return name, value
