"""`shardhouse open`: the console in the browser, without a password."""

import html
import os
import sys
import webbrowser
from typing import Annotated

import typer

from shardhouse.cli import output
from shardhouse.cli.completion import instances, names
from shardhouse.cli.options import DataDir, Json

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_LEADING = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={address}">
<title>Shardhouse</title>
<a href="{address}">To the console</a>
"""


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
    """Open the console in the browser, to log in as the user that commands act as.

    The address logs in once, within a minute, with the button of its page. It is
    printed where there is no browser.
    """
    from shardhouse.cli.client import connect
    from shardhouse.cli.instances import find

    with connect(data_dir) as client:
        to = f"/console/instances/{find(client, instance)['id']}" if instance else ""
        address = client.console_link(to)
    if json:
        output.print_json({"url": address})
    elif print_only or not (_has_display() and _is_opened(address)):
        print(address)
        output.note("It logs in once, within a minute.")
    else:
        output.note("The console is in your browser: press the button there to log in.")


def _has_display() -> bool:
    """Whether a browser has where to show itself; one of text would take the terminal."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in _DISPLAYS)


def _is_opened(address: str) -> bool:
    """Whether a browser was started. It is given a page that leads to the address, for our user
    alone: arguments of programs are seen by all users of the machine. The next call replaces it."""
    from shardhouse.nodes.local import folders
    from shardhouse.settings import cache_folder

    page = cache_folder() / "open.html"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        folders.write(page, _LEADING.format(address=html.escape(address)).encode())
    except OSError:
        return False
    return webbrowser.open(page.as_uri())
