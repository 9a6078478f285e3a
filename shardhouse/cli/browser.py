"""`shardhouse open`: the console in the browser, logged in."""

import os
import sys
import webbrowser
from typing import Annotated

import typer

from shardhouse.cli import output
from shardhouse.cli.completion import instances, names
from shardhouse.cli.options import DataDir, Json

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def open_console(
    instance: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_ID",
            help="Show the page of this instance.",
            autocompletion=names(instances),
        ),
    ] = "",
    print_only: Annotated[
        bool,
        typer.Option("--print", help="Print the address instead of opening it."),
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Open the console in the browser, logged in as the user that commands act as.

    The address logs in once, within a minute. It is printed where there is no
    browser.
    """
    from shardhouse.cli.client import connect
    from shardhouse.cli.instances import find

    with connect(data_dir) as client:
        to = f"/console/instances/{find(client, instance)['id']}" if instance else ""
        address = client.console_link(to)
    if json:
        output.print_json({"url": address})
    elif print_only or not (_has_display() and webbrowser.open(address)):
        print(address)
        output.note("It logs in once, within a minute.")
    else:
        output.note("The console is open in your browser.")


def _has_display() -> bool:
    """Whether a browser has where to show itself; one of text would take the terminal."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in _DISPLAYS)
