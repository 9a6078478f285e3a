"""`shardhouse instance advise`: what would make an instance faster or smaller."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from shardhouse.cli import output
from shardhouse.cli.instances import Named, find
from shardhouse.cli.options import DataDir, Json

_COLOURS = {"critical": "red", "warning": "yellow", "info": "dim"}


def advise(
    instance: Named,
    hours: Annotated[int, typer.Option(min=1, help="Hours of slow operations to look back.")] = 24,
    number: Annotated[
        int, typer.Option("--limit", min=1, max=100, help="Findings of each kind.")
    ] = 20,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show which indexes slow queries need, which indexes nothing needs, and of a
    cluster what should be sharded and which shards are hot.

    Nothing is changed: commands are shown for mongosh. Values that clients
    looked for are never shown.
    """
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        found = find(client, instance)
        params = {"hours": str(hours), "limit": str(number)}
        answer = client.dds("GET", f"instances/{found['id']}/advice", params=params)
    if json:
        output.print_json(answer)
        return
    for finding in answer["findings"]:
        _show(finding)
    if not answer["findings"]:
        output.console().print("Nothing to advise.")
    for sentence in answer["not_judged"]:
        output.note(f"Not judged: {sentence}")


def _show(finding: dict[str, Any]) -> None:
    colour, out = _COLOURS[finding["severity"]], output.console()
    kind = finding["kind"].replace("_", " ")
    out.print(f"[{colour}]{kind}[/{colour}]  [bold]{escape(finding['namespace'])}[/bold]")
    if query := finding["query"]:
        sort = f" sort {query['sort']}" if query["sort"] else ""
        out.print(f"  {escape(query['command'])} {escape(query['shape'] + sort)}")
    out.print(f"  {escape(finding['message'])}")
    if finding["command"]:
        out.print(f"  [cyan]{escape(finding['command'])}[/cyan]", soft_wrap=True)
    out.print()
