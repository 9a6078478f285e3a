"""`shardhouse demo`: from nothing to a working sharded cluster, in one command."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from shardhouse.cli import credentials, output, service
from shardhouse.cli.options import DataDir


def demo(
    show_password: Annotated[
        bool, typer.Option("--show-password", help="Print the address with its password.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port of the DDS API. [default: 9800]")] = None,
    iam_port: Annotated[int | None, typer.Option(help="Port of IAM. [default: 9801]")] = None,
    data_dir: DataDir = None,
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
    for line in lines:
        output.console().print(escape(line))
    output.facts(
        [
            ("instance", escape(f"{instance['name']} ({instance['id']})")),
            ("status", output.status(instance["status"])),
            (
                "version",
                f"{instance['datastore']['version']}, served by MongoDB "
                f"{instance['engine_version']}",
            ),
            ("address", escape(address)),
            ("DDS API", tour.known["dds_endpoint"]),
            ("console", f"{tour.known['dds_endpoint']}/console"),
            ("IAM", f"{tour.known['iam_endpoint']}/v3"),
            ("credentials", escape(f'eval "$({program} env --data-dir {folder})"')),
            ("stop", escape(f"{program} down --data-dir {folder}")),
        ]
    )
