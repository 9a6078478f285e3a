"""What commands print: results on standard output, everything about them on standard error."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shardhouse.errors import ShardhouseError

STATUS_STYLES = {
    "normal": "green",
    "creating": "yellow",
    "abnormal": "red",
    "createfail": "red",
    "data_disk_full": "red",
    "Completed": "green",
    "Running": "yellow",
    "Failed": "red",
    "Pending": "dim",
    "COMPLETED": "green",
    "BUILDING": "yellow",
    "FAILED": "red",
}


class CliError(ShardhouseError):
    """A command cannot do what was asked; the message says why and what to do."""


def console() -> Console:
    """Standard output as it is now."""
    # A pipe has no width; ids must not be cut there.
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, soft_wrap=False)


def note(message: str) -> None:
    """A line for the person, never part of the result."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False)


def error(message: str) -> None:
    """Why the command failed."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[bold red]Error:[/] {escape(message)}"
    )


def print_json(value: Any) -> None:
    """A result for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def megabytes(size: int) -> str:
    """Bytes, for a person."""
    return f"{size / 1e6:.1f} MB"


def status(word: str) -> str:
    """A status in its colour, as Rich markup."""
    style = STATUS_STYLES.get(word)
    return f"[{style}]{word}[/]" if style else escape(word)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Rows under headings. Cells are Rich markup: escape what a user named."""
    drawn = Table(*columns, title=title, title_justify="left", box=None, header_style="bold")
    for row in rows:
        drawn.add_row(*row)
    console().print(drawn)


def items(found: Sequence[Mapping[str, Any]], fields: Sequence[str], as_json: bool) -> None:
    """A list of like things: all fields as JSON, the named ones as a table."""
    if as_json:
        print_json(list(found))
        return
    headings = [field.replace("_", " ").upper() for field in fields]
    table(headings, ([escape(_text(item.get(field))) for field in fields] for item in found))


def item(found: Mapping[str, Any], fields: Sequence[str], as_json: bool) -> None:
    """One thing: all fields as JSON, the named ones line by line."""
    if as_json:
        print_json(dict(found))
        return
    facts((field.replace("_", " "), escape(_text(found.get(field)))) for field in fields)


def done(message: str, what: Mapping[str, Any], as_json: bool) -> None:
    """That something was done: a line for the person, or what it was done to for programs."""
    if as_json:
        print_json(dict(what))
    else:
        note(message)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values (Rich markup) in two columns."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="bold")
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(name, value)
    console().print(drawn)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
