"""Forms made of the contract: the fields of a call's body, as inputs, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from shardhouse.client import bodies
from shardhouse.client.errors import RefusalError
from shardhouse.console.visit import Page
from shardhouse.contract.call import Call
from shardhouse.contract.reference import FieldReference, fields

_KINDS = {"integer": "number", "boolean": "choice", "array": "input", "object": "text"}
_LISTS = " Several: separated by commas."
_JSON = " As JSON."


@dataclass(frozen=True)
class Field:
    """An input of a form. `kind` is an input's type, or `choice`, `choices` (several), `text` (of
    many lines); `choices` are values and what is shown for them. One that
    `reloads` changes the rest of the form; one that is `readonly` is shown and sent as it is."""

    name: str
    label: str
    kind: str
    required: bool = False
    help: str = ""
    value: Any = ""
    choices: Sequence[tuple[str, str]] = ()
    reloads: bool = False
    readonly: bool = False


def page(
    title: str,
    to: str,
    fields: Sequence[Field],
    verb: str,
    error: RefusalError | None = None,
    **more: Any,
) -> Page:
    """A page that is a form: what is sent goes `to` a path, by a button that says `verb`; `error`
    is why that was refused before. `more` is for its template, where it is another than
    `form.html`, or changes what is usual there: `again`, another button's words, after which the
    form is shown again; `dangerous`, whether what it does cannot be undone."""
    usual = {"problem": error.message if error else "", "again": "", "dangerous": False}
    template = more.pop("template", "form.html")
    shown = {**usual, "to": to, "fields": fields, "verb": verb, **more}
    return Page(template, title, shown, error.status if error else 200)


def of_call(
    call: Call,
    known: Mapping[str, Field],
    typed: Mapping[str, str],
    chosen: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Field]:
    """The form of a call. `known` has fields that are better asked for than the contract alone can
    tell, `typed` what a person typed before, `chosen` what of several; secrets are not shown
    again."""
    found = []
    for reference in _asked(call):
        field = known.get(reference.name) or _field(reference)
        if field.kind == "choices":
            field = replace(field, value=tuple(chosen.get(reference.name, ())))
        elif field.kind != "password" and reference.name in typed:
            field = replace(field, value=typed[reference.name])
        found.append(field)
    return found


def body_of(call: Call, choices: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The body that a filled form means. What was left empty is left out, but for texts that the
    call wants; it says itself what is wrong with them."""
    body: dict[str, Any] = {}
    for reference in _asked(call):
        values = choices.get(reference.name, ())
        text = ",".join(values) if reference.type == "array" else (values[-1] if values else "")
        if text or (reference.required and reference.type == "string"):
            bodies.put(body, reference, text)
    return {call.wrapper: body} if call.wrapper else body


def _asked(call: Call) -> list[FieldReference]:
    """The fields that are inputs: objects are told by their fields, lists of objects as JSON. What
    is required of an object that may be left out may be left out with it."""
    every = fields(call.body)
    left_out = tuple(f"{one.name}." for one in every if not one.required)
    parents = {one.name for one in every if any(o.name.startswith(f"{one.name}.") for o in every)}
    return [
        one._replace(required=one.required and not one.name.startswith(left_out))
        for one in every
        if "[]" not in one.name and one.name not in parents
    ]


def _field(reference: FieldReference) -> Field:
    kind = "password" if reference.secret else _KINDS.get(reference.type, "input")
    help_text = reference.description
    choices: tuple[tuple[str, str], ...] = ()
    value = "" if reference.default in (None, [], {}) else str(reference.default)
    if reference.type == "boolean":
        unset = () if reference.required or value else (("", "as it is"),)
        choices = (*unset, ("false", "no"), ("true", "yes"))
        value = value.lower()
    elif reference.choices:
        kind = "choice"
        words = reference.choices if value or reference.required else ("", *reference.choices)
        choices = tuple((one, one) for one in words)
    elif reference.type == "array":
        help_text += _LISTS
    elif reference.type == "object":
        help_text += _JSON
    label = reference.name.rsplit(".", 1)[-1].replace("_", " ")
    return Field(reference.name, label, kind, reference.required, help_text.strip(), value, choices)
