"""`shardhouse demo`: from nothing to a working sharded cluster, in one command."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from shardhouse.cli import credentials, output, service
from shardhouse.cli.options import DataDir, Json


def demo(
    show_password: Annotated[
        bool, typer.Option("--show-password", help="Print the address with its password.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port of the DDS API. [default: 9800]")] = None,
    iam_port: Annotated[int | None, typer.Option(help="Port of IAM. [default: 9801]")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Start the service, create a sharded cluster through its API, and use it.

    Repeating it is harmless: what runs already is used as it is.
    """
    from shardhouse.cli.tour import PASSWORD, Tour

    program = sys.argv[0]
    folder = credentials.resolve(data_dir)
    service.start(folder, port, iam_port)
    with Tour(folder) as tour:
        instance = tour.cluster()
        lines = tour.use(instance)
        address = tour.address(instance, PASSWORD if show_password else None)
    version = instance["datastore"]["version"]
    facts = {
        "instance": f"{instance['name']} ({instance['id']})",
        "status": instance["status"],
        "version": f"{version}, served by MongoDB {instance['engine_version']}",
        "address": address,
        "DDS API": tour.known["dds_endpoint"],
        "console": f"{tour.known['dds_endpoint']}/console",
        "IAM": f"{tour.known['iam_endpoint']}/v3",
        "credentials": f'eval "$({program} env --data-dir {folder})"',
        "stop": f"{program} down --data-dir {folder}",
    }
    if json:
        output.print_json({name.replace(" ", "_").lower(): text for name, text in facts.items()})
        return
    for line in lines:
        output.console().print(escape(line))
    shown = {name: escape(text) for name, text in facts.items()}
    output.facts((shown | {"status": output.status(facts["status"])}).items())
