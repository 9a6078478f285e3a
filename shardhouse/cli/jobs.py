"""`shardhouse job`: what became of an operation, and following it while it runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from shardhouse.cli import output
from shardhouse.cli.completion import jobs, names, waiting_jobs
from shardhouse.cli.options import DataDir, Json

if TYPE_CHECKING:
    from shardhouse.client.api import Client

_SIGNS = {"Completed": "✓", "Failed": "✗", "Pending": "·"}

app = typer.Typer(no_args_is_help=True, help="Operations and their progress.")


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", autocompletion=names(jobs))],
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show one job; with --watch the exit code is 1 when it fails."""
    from shardhouse.cli.client import connect
    from shardhouse.client import jobs

    with connect(data_dir) as client:
        if watch:
            finish(client, job_id, quiet=json, as_json=json)
            return
        job = jobs.fetch(client, job_id)
    if json:
        output.print_json(job)
        return
    output.facts(
        [
            ("job", f"{job['id']} ({job['name']})"),
            ("instance", escape(f"{job['instance']['name']} ({job['instance']['id']})")),
            ("status", output.status(job["status"])),
            ("created", job["created"]),
            ("ended", job["ended"]),
            ("reason", escape(job["fail_reason"] or "")),
        ]
    )
    output.console().print(_steps(job))


@app.command()
def cancel(
    job_id: Annotated[str, typer.Argument(metavar="ID", autocompletion=names(waiting_jobs))],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Cancel a job that waits for its maintenance window."""
    from shardhouse.cli.client import connect

    with connect(data_dir) as client:
        client.dds("DELETE", f"scheduled-jobs/{job_id}")
    output.done(f"Job {job_id} is cancelled.", {"job_id": job_id}, json)


def finish(client: "Client", job_id: str, *, quiet: bool, as_json: bool = False) -> dict[str, Any]:
    """Follow a job to its end, showing its progress unless `quiet`. Raises ClientError if it
    fails."""
    from shardhouse.client import jobs

    job = follow(client, job_id, quiet=quiet)
    if as_json:
        output.print_json(job)
    jobs.check(job)
    return job


def started(client: "Client", answer: dict[str, Any], *, wait: bool, json: bool) -> None:
    """Say which job was started, or follow it to its end. Raises ClientError if it fails then."""
    if wait:
        finish(client, answer["job_id"], quiet=json, as_json=json)
    elif json:
        output.print_json(answer)
    else:
        output.facts([("job", answer["job_id"])])
        output.note(f"Follow it with `shardhouse job show {answer['job_id']} --watch`.")


def follow(client: "Client", job_id: str, *, quiet: bool) -> dict[str, Any]:
    """Wait for the job's end: a live table on a terminal, a line per finished step elsewhere."""
    from shardhouse.client import jobs

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    states = jobs.states(client, job_id)
    if quiet:
        job = _last(states)
    elif console.is_terminal:
        job = _draw(states, console)
    else:
        job = _follow(states)
    return job


def _last(states: Iterator[dict[str, Any]]) -> dict[str, Any]:
    for job in states:
        last = job
    return last


def _draw(states: Iterator[dict[str, Any]], console: Console) -> dict[str, Any]:
    with Live(console=console, refresh_per_second=10) as live:
        for job in states:
            words = f"{job['name']} {job['instance']['name']}: {job['status']}"
            live.update(Group(_steps(job), Text(f"{words}, {_elapsed(job):.1f} s", style="bold")))
    return job


def _follow(states: Iterator[dict[str, Any]]) -> dict[str, Any]:
    shown: set[str] = set()
    for job in states:
        for step in job["steps"]:
            if step["status"] in ("Completed", "Failed") and step["name"] not in shown:
                shown.add(step["name"])
                detail = f" ({step['detail']})" if step["detail"] else ""
                output.note(f"{_SIGNS[step['status']]} {step['name']}{detail}")
    output.note(f"{job['name']} {job['instance']['name']}: {job['status']}, {_elapsed(job):.0f} s")
    return job


def _steps(job: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in job["steps"]:
        running = step["status"] == "Running"
        style = output.STATUS_STYLES.get(step["status"], "")
        sign = Spinner("dots") if running else Text(_SIGNS.get(step["status"], "?"), style=style)
        table.add_row(sign, Text(step["name"]), Text(step["detail"], style="dim"))
    return table


def _elapsed(job: dict[str, Any]) -> float:
    """Seconds since the job began, until it ended."""
    try:
        began = datetime.fromisoformat(job["created"])
        ended = datetime.fromisoformat(job["ended"]) if job["ended"] else datetime.now(UTC)
    except ValueError:
        return 0.0
    return max(0.0, (ended - began).total_seconds())
