"""`shardhouse.toml`, read and written: with what each setting is for, and for our user alone."""

import json
import textwrap
import tomllib
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_HEAD = """# Settings of Shardhouse; docs/settings.md has all of them.
# Options and SHARDHOUSE_* variables take precedence over this file.
"""
_WIDTH = 96


def read(path: Path) -> dict[str, Any]:
    """What is set, by dotted names; nothing where there is no file. Raises CliError."""
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CliError(f"{path} cannot be read: {error}") from None
    return dict(_flat(content))


def write(path: Path, values: Mapping[str, Any], offered: Collection[str]) -> Path | None:
    """Replace the file by one with these values; where the one before, if any, is kept. Of the
    settings in `offered`, those without a value are shown as comments. Raises CliError."""
    from shardhouse.nodes.local import folders

    olds = (path.with_name(f"{path.name}.old-{number}") for number in count(1))
    before = next(old for old in olds if not old.exists())
    kept = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if kept:
            folders.write(before, path.read_bytes())
        folders.write(path, text(values, offered).encode())
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}.") from None
    return before if kept else None


def text(values: Mapping[str, Any], offered: Collection[str]) -> str:
    """The file's content."""
    from shardhouse.settings import Settings, fields

    known = dict(fields(Settings))
    shown = [name for name in known if name in values or name in offered]
    shown += [name for name in values if name not in known]
    blocks, table = [_HEAD], ""
    for name in sorted(shown, key=lambda one: one.rpartition(".")[0] != ""):  # tables come last
        above, _, key = name.rpartition(".")
        if above != table:
            blocks.append(f"[{above}]\n")
            table = above
        comment = textwrap.fill(
            plain(known[name].description) if name in known else "",
            _WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        line = f"{key} = {_value(values[name])}" if name in values else _default(key, known[name])
        blocks.append("\n".join(filter(None, (comment, line))) + "\n")
    return "\n".join(blocks)


def plain(description: str | None) -> str:
    """What a setting is for, without Markdown."""
    return (description or "").replace("`", "")


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted names as the settings object takes them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        above, _, key = name.rpartition(".")
        (found.setdefault(above, {}) if above else found)[key] = value
    return found


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", one) for key, one in value.items())
        else:
            yield name, value


def _default(key: str, field: "FieldInfo") -> str:
    """How a setting without a value stands there."""
    return f"# {key} =" if field.default is None else f"# {key} = {_value(field.default)}"


def _value(value: Any) -> str:
    """Text, numbers, truth and lists of these are written in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=False)
