"""`shardhouse doctor`: what this machine lacks for an installation, and how to mend it."""

from collections.abc import Iterable
from dataclasses import asdict

import typer
from rich.markup import escape

from shardhouse.cli import output
from shardhouse.cli.options import DataDir, Json
from shardhouse.doctor.check import Check

STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Check binaries, addresses, ports, disk, limits and files; exit code 1 if one fails."""
    from shardhouse.doctor import checks
    from shardhouse.settings import load

    found = list(checks.everything(load(data_dir=data_dir)))
    if json:
        output.print_json([asdict(check) for check in found])
    else:
        show(found)
    if any(check.verdict == "fail" for check in found):
        raise typer.Exit(1)


def show(found: Iterable[Check]) -> None:
    """Checks as a table."""
    output.table(
        ("", "CHECK", "FOUND", "WHAT TO DO"),
        (
            (
                f"[{STYLES[check.verdict]}]{check.verdict}[/]",
                check.name,
                escape(check.found),
                escape(check.mend),
            )
            for check in found
        ),
    )
