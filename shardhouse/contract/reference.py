"""The contract as reference pages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Nothing, Wire
from shardhouse.contract.openapi import errors

_NOTE = "<!-- Written by `make reference` from `shardhouse/contract`; do not edit. -->\n"


class FieldReference(NamedTuple):
    """A field as documentation shows it: its place in the object, and its JSON type."""

    name: str
    type: str
    required: bool
    description: str
    secret: bool
    default: Any = None
    choices: tuple[str, ...] = ()


def pages(nouns: Mapping[str, Sequence[Call]]) -> dict[str, str]:
    """Text of each page by its file name."""
    found = {_file(noun): _page(noun, calls) for noun, calls in nouns.items()}
    return found | {"README.md": _index(nouns), "errors.md": _errors()}


def _file(noun: str) -> str:
    return f"{noun.lower().replace(' ', '-')}.md"


def _index(nouns: Mapping[str, Sequence[Call]]) -> str:
    lines = [_NOTE, "# Reference of the DDS API\n"]
    for noun, calls in nouns.items():
        lines += [f"## {noun}\n", "| call | operation | what it does |", "|---|---|---|"]
        for call in calls:
            link = f"[`{call.method} {call.path}`]({_file(noun)}#{call.operation.lower()})"
            lines.append(f"| {link} | {call.operation} | {call.summary} |")
        lines.append("")
    lines.append("All codes that a call may be refused with: [errors](errors.md).\n")
    return "\n".join(lines)


def _errors() -> str:
    lines = [_NOTE, "# Errors\n", "| code | status | meaning | clients retry |\n|---|---|---|---|"]
    for code in sorted(codes.CATALOGUE.values(), key=lambda one: one.code):
        retried = "yes" if code.retried else ""
        lines.append(f"| {code.code} | {code.status} | {code.meaning} | {retried} |")
    return "\n".join(lines) + "\n"


def _page(noun: str, calls: Sequence[Call]) -> str:
    return "\n".join([_NOTE, f"# {noun}\n", *(_section(call) for call in calls)])


def _section(call: Call) -> str:
    lines = [f"## {call.operation}\n", f"`{call.method} {call.path}`\n", f"{call.summary}\n"]
    if call.addition:
        lines.append("Our own addition: no document has this call.\n")
    if call.permission:
        lines.append(f"Permission: `{call.permission}`\n")
    if "instance_id" in call.path_parameters:
        lines.append(f"Lawful: {lawful(call)}\n")
    lines += _fields("Query", call.query)
    lines += _fields(f"Body, in `{call.wrapper}`" if call.wrapper else "Body", call.body)
    if call.uploads:
        lines.append("Body: a file.\n")
    if call.example:
        example: dict[str, Any] = dict(call.example)
        shown = {call.wrapper: example} if call.wrapper else example
        lines.append(f"```json\n{json.dumps(shown, indent=2)}\n```\n")
    lines += _fields(f"Answer ({call.success})", call.answer)
    refusals = ", ".join(f"`{code.code}` ({code.status})" for code in errors(call))
    lines.append(f"Errors beside those of fields: {refusals}\n")
    return "\n".join(lines)


def lawful(call: Call) -> str:
    """When a call on an instance is lawful, in words."""
    parts = []
    if not call.rules.all_modes:
        parts.append(f"modes {', '.join(sorted(call.rules.modes))}")
    if not call.only_reads:
        parts.append(f"status {', '.join(sorted(call.rules.statuses))}")
        if call.rules.idle:
            parts.append("no other operation running")
    return "; ".join(parts) or "always"


def _fields(title: str, model: type[Wire]) -> list[str]:
    if model is Nothing:
        return []
    lines = [f"{title}:\n", "| field | type | required | |", "|---|---|---|---|"]
    for one in fields(model):
        needed = "yes" if one.required else ""
        lines.append(f"| `{one.name}` | {one.type} | {needed} | {one.description} |")
    return [*lines, ""]


def fields(model: type[Wire]) -> list[FieldReference]:
    """The fields of a model, and those of objects in it."""
    schema = model.model_json_schema()
    return list(_rows(schema, schema.get("$defs", {}), ""))


def _rows(
    schema: dict[str, Any], definitions: dict[str, Any], prefix: str
) -> Iterable[FieldReference]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(field, definitions)
        items = _resolved(inner.get("items", {}), definitions)
        described = (one["description"] for one in (field, inner, items) if "description" in one)
        yield FieldReference(
            f"{prefix}{name}",
            inner.get("type", "any"),
            name in required,
            " ".join(next(described, "").split()),
            field.get("format") == "password",
            field.get("default"),
            tuple(str(one) for one in field.get("enum", inner.get("enum", ())) if one is not None),
        )
        yield from _rows(inner, definitions, f"{prefix}{name}.")
        yield from _rows(items, definitions, f"{prefix}{name}[].")


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference; of alternatives, of which one is `null`, the other."""
    choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        return _resolved(choices[0], definitions)
    reference = schema.get("$ref", "")
    found: dict[str, Any] = definitions[reference.rsplit("/", 1)[-1]] if reference else schema
    return found
