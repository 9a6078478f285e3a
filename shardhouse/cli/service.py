"""`shardhouse serve`, `up`, `status`, `down`: the service itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from shardhouse.cli import credentials, output
from shardhouse.cli.options import DataDir, Json

MIB = 1024**2
START_SECONDS = 60.0


def serve(
    data_dir: DataDir = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of the DDS API. [default: 9800]")] = None,
    iam_port: Annotated[int | None, typer.Option(help="Port of IAM. [default: 9801]")] = None,
    region: Annotated[str | None, typer.Option(help="Name of the region. [default: local]")] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="What is logged. [default: info]"),
    ] = None,
) -> None:
    """Serve the DDS API and IAM until SIGTERM; databases keep running afterwards.

    What is not given comes from SHARDHOUSE_* variables, then from shardhouse.toml in the data
    directory.
    """
    from shardhouse.server import serve as run
    from shardhouse.settings import load

    run(
        load(
            data_dir=data_dir,
            host=host,
            port=port,
            iam_port=iam_port,
            region=region,
            log_level=log_level,
        )
    )


def up(
    port: Annotated[int | None, typer.Option(help="Port of the DDS API. [default: 9800]")] = None,
    iam_port: Annotated[int | None, typer.Option(help="Port of IAM. [default: 9801]")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Start the service in the background, and return when it answers.

    Repeating it is harmless. `shardhouse down` stops the service and its databases.
    """
    facts = start(credentials.resolve(data_dir), port, iam_port)
    if json:
        output.print_json(facts)


def start(folder: Path, port: int | None, iam_port: int | None) -> dict[str, Any]:
    """`serve` runs in the background and both of its APIs answer: its process, whether it was
    started now, its log and its addresses."""
    from shardhouse.cli.installation import Installation

    installation = Installation(folder)
    ports = {"port": port, "iam_port": iam_port}
    given = {name: value for name, value in ports.items() if value is not None}
    running = installation.serve()
    if running is None:
        options = [f"{_option(name)}={value}" for name, value in given.items()]
        child = installation.start(*options)
        installation.await_answers(child, START_SECONDS)
        pid = child.pid
        output.note(f"shardhouse serve started, pid {pid}, log {installation.log_file}")
    else:
        pid = running.pid
        output.note(f"shardhouse serve runs already, pid {pid}")
        installation.await_answers(None, START_SECONDS)
    known = credentials.read_admin_file(folder)
    endpoints = {"dds_endpoint": known["dds_endpoint"], "iam_endpoint": known["iam_endpoint"]}
    if running is not None:
        for (name, wanted), address in zip(ports.items(), endpoints.values(), strict=True):
            if wanted not in (None, 0, urlsplit(address).port):
                output.note(
                    f"{_option(name)} {wanted} has no effect: what runs is at {address}. To move "
                    "it, end it first: shardhouse down"
                )
    log = str(installation.log_file)
    return {"pid": pid, "started": running is None, "log": log} | endpoints


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def status(data_dir: DataDir = None, json: Json = False) -> None:
    """Show what runs: the service, its addresses, instances and node processes.

    The exit code is 0 when the service answers, else 1.
    """
    facts = _facts(data_dir)
    if json:
        output.print_json(facts)
    else:
        output.facts((name.replace("_", " "), _words(value)) for name, value in facts.items())
    if not facts["answers"]:
        raise typer.Exit(1)


def down(data_dir: DataDir = None, json: Json = False) -> None:
    """Stop the service and all databases of a data directory, and prove that nothing is left.

    The next `shardhouse serve` brings all of them back.
    """
    from shardhouse.cli.installation import Installation

    folder = credentials.resolve(data_dir)
    output.note(f"Ending what runs of {folder} ...")
    serving, nodes = Installation(folder).stop()
    output.done(
        f"{folder}: {serving} serve and {nodes} node processes were stopped; none is left.",
        {"data_dir": str(folder), "serve": serving, "node_processes": nodes},
        json,
    )


def _facts(data_dir: DataDir) -> dict[str, Any]:
    from shardhouse.cli.installation import Installation

    installation = Installation(credentials.resolve(data_dir))
    process = installation.serve()
    nodes = installation.nodes()
    facts: dict[str, Any] = {
        "data_dir": str(installation.data_dir),
        "serve_pid": process.pid if process else None,
        "running_since": None,
        "answers": installation.answers(),
        "dds_endpoint": None,
        "iam_endpoint": None,
        "instances": {},
        "node_processes": len(nodes),
        "node_memory_mib": sum(node.memory_info().rss for node in nodes) // MIB,
    }
    if process is not None:
        began = datetime.fromtimestamp(process.create_time(), UTC)
        facts["running_since"] = began.isoformat(timespec="seconds")
        facts["serve_memory_mib"] = process.memory_info().rss // MIB
    if facts["answers"]:
        known = credentials.read_admin_file(installation.data_dir)
        facts |= {name: known[name] for name in ("dds_endpoint", "iam_endpoint")}
        facts["instances"] = _instances(data_dir)
    return facts


def _instances(data_dir: DataDir) -> dict[str, int] | str:
    """How many of the administrator's project there are per status, or why that is not known."""
    from shardhouse.client.api import Client
    from shardhouse.client.errors import ClientError

    folder = credentials.resolve(data_dir)
    known = credentials.from_admin_file(credentials.read_admin_file(folder), folder)
    counts: dict[str, int] = {}
    try:
        with Client(known) as client:
            for instance in client.instances():
                counts[instance["status"]] = counts.get(instance["status"], 0) + 1
    except ClientError as error:
        return error.message
    return counts


def _words(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
        case _:
            return str(value)
