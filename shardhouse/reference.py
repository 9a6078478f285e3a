"""What documentation repeats of the code: `python -m shardhouse.reference` writes it.

Pages of `docs/reference` from the contract, and tables within other documents: settings, an
instance's states, kinds of events, parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from shardhouse.contract.reference import pages
from shardhouse.contract.table import NOUNS
from shardhouse.domain import events, transitions
from shardhouse.domain.parameters import PARAMETERS, NodeType, Parameter
from shardhouse.settings import Quotas, Settings, fields

PAGES = Path("docs/reference")


def settings_table() -> str:
    """Every setting with its default and what it is for."""
    rows = (
        (f"`{name}`", _default(field.default), field.description or "")
        for name, field in fields(Settings)
    )
    return _table(("setting", "default", ""), rows)


def states_table() -> str:
    """What becomes of an instance's status."""
    return _table(("instance", "becomes", "when"), transitions.rows())


def events_table() -> str:
    """Kinds of events."""
    rows = (
        (f"`{kind}`", str(events.SEVERITIES[kind]), meaning)
        for kind, meaning in events.MEANINGS.items()
    )
    return _table(("kind", "severity", "meaning"), rows)


def parameters_table() -> str:
    """Every parameter that clients may set."""
    rows = (
        (
            f"`{one.name}`",
            f"{one.kind}, {one.value_range.replace('|', ', ')}",
            f"`{one.default}`",
            "yes" if one.restart_required else "",
            _nodes(one),
            one.description,
        )
        for one in PARAMETERS
    )
    return _table(("parameter", "type, range", "default", "restart", "nodes", ""), rows)


def _nodes(parameter: Parameter) -> str:
    """The nodes that have a parameter, in words."""
    types = parameter.node_types
    missing = [str(one) for one in NodeType if one not in types]
    words = ", ".join(one for one in NodeType if one in types)
    if len(missing) < len(types):
        words = f"all but {', '.join(missing)}" if missing else "all"
    first, last = parameter.first, parameter.last
    if last is not None:
        return f"{words}; up to {last[0]}.{last[1]}"
    return words if first == (4, 4) else f"{words}; from {first[0]}.{first[1]} on"


#: The tables, by the document they are in and the name that stands there.
TABLES: Mapping[tuple[str, str], Callable[[], str]] = {
    ("docs/settings.md", "settings"): settings_table,
    ("docs/architecture.md", "states"): states_table,
    ("docs/events.md", "events"): events_table,
    ("docs/parameters.md", "parameters"): parameters_table,
}


def with_tables(document: str, text: str) -> str:
    """A document's text with its tables as they should be."""
    for (place, name), table in TABLES.items():
        if place == document:
            begin = f"<!-- {name}: written by `make reference` -->\n"
            end = f"<!-- end of {name} -->\n"
            before, _, rest = text.partition(begin)
            _, _, after = rest.partition(end)
            text = f"{before}{begin}{table()}{end}{after}"
    return text


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """In Markdown."""
    head = f"| {' | '.join(columns)} |".replace("  ", " ")
    lines = [head, "|" + "---|" * len(columns), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    match value:
        case None | []:
            return ""
        case Quotas():
            return ", ".join(str(number) for number in value.model_dump().values())
        case list():
            return ", ".join(f"`{item}`" for item in value)
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"{value:g}"
        case _:
            return f"`{value}`"


def main() -> None:
    """Write all of it into the present folder, which is the project's."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for old in PAGES.glob("*.md"):
        old.unlink()
    for name, text in pages(NOUNS).items():
        (PAGES / name).write_text(text)
    for document in {document for document, _ in TABLES}:
        path = Path(document)
        path.write_text(with_tables(document, path.read_text()))


if __name__ == "__main__":
    main()
