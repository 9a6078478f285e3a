"""`shardhouse event`: what happened to instances."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from shardhouse.cli import output
from shardhouse.cli.completion import instances, names
from shardhouse.cli.options import DataDir, Json

if TYPE_CHECKING:
    from shardhouse.client.api import Client

INTERVAL = 1.0
PATIENCE = 60.0
"""Seconds that `serve` may be away, for a restart, while events are followed."""
PAGE = 100
_COLOURS = {"critical": "red", "warning": "yellow", "info": "dim"}

app = typer.Typer(no_args_is_help=True, help="Failures, failovers, full volumes, ended operations.")


@app.command("list")
def list_all(
    instance: Annotated[
        str,
        typer.Option(
            help="Of this instance only: its name or id.", autocompletion=names(instances)
        ),
    ] = "",
    severity: Annotated[
        Literal["info", "warning", "critical"] | None,
        typer.Option(help="Of this severity only.", show_default=False),
    ] = None,
    number: Annotated[int, typer.Option("--last", min=1, max=PAGE, help="How many.")] = 20,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with new ones, until ^C.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the newest events, the last one at the end; with --json one object per line if they are
    watched."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:

        def wanted(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
            return (
                event
                for event in events
                if instance in ("", event["instance_id"], event["instance_name"])
                and severity in (None, event["severity"])
            )

        newest = next(client.events(), {"number": 0})["number"]
        found = list(islice(wanted(client.events()), number))[::-1]
        if not watch:
            _show(found, as_json=json)
            return
        seen = max([newest, *(event["number"] for event in found)])
        _print_lines(found, json=json)
        while True:
            events = _after(client, seen)
            _print_lines(wanted(events), json=json)
            if events:
                seen = events[-1]["number"]
            else:
                time.sleep(INTERVAL)


def _after(client: "Client", number: int) -> list[dict[str, Any]]:
    """What came after an event. A restart of the service is waited out."""
    from shardhouse.client.errors import UnreachableError

    begun = time.monotonic()
    while True:
        try:
            params = {"number": str(number), "limit": str(PAGE)}
            answer = client.dds("GET", "events/after", params=params)
        except UnreachableError:
            if time.monotonic() - begun > PATIENCE:
                raise
            time.sleep(INTERVAL)
        else:
            return list(answer["events"])


def _show(events: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.print_json(events)
        return
    output.table(("TIME (UTC)", "SEVERITY", "INSTANCE", "EVENT", "MESSAGE"), map(_row, events))


def _print_lines(events: Iterable[dict[str, Any]], *, json: bool) -> None:
    """One line per event, written at once."""
    for event in events:
        if json:
            print(dumps(event), flush=True)
        else:
            output.console().print("  ".join(_row(event)))


def _row(event: dict[str, Any]) -> tuple[str, ...]:
    colour = _COLOURS[event["severity"]]
    return (
        event["time"].removesuffix("+0000"),
        f"[{colour}]{event['severity']}[/{colour}]",
        escape(event["instance_name"]),
        event["kind"],
        escape(event["message"]),
    )
