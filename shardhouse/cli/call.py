"""`shardhouse call`: every call of the API as a command, made from its row of the contract."""

import json as json_text
import re
import sys
from collections.abc import Callable
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer
from typer.core import TyperGroup

from shardhouse.cli import completion, downloads, output
from shardhouse.cli.options import DataDir, Json
from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from shardhouse.client.api import Client
    from shardhouse.contract.call import Call
    from shardhouse.contract.reference import FieldReference

#: Path parts that the client knows by itself.
_KNOWN = ("project_id",)
#: How path parts are called where a name serves as well.
_METAVARS = {"instance_id": "INSTANCE"}
Wait = Annotated[bool, typer.Option("--wait", help="Follow the job until it is done.")]


class _Calls(TyperGroup):
    """One command per row; rows are loaded when a command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all calls, as options are written: `resize-instance`."""
        return sorted(_rows())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What lists of commands and shells show of a row: its name and summary."""
        row = _rows().get(cmd_name)
        return _made(cmd_name, row, lambda: None) if row else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The whole command of the row that is named, which takes much longer to make."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _command(name, _rows()[name]) if name else None, rest


app = typer.Typer(
    cls=_Calls,
    no_args_is_help=True,
    help="Every call of the API. Options are the fields of its body or query.",
)


@app.callback()
def _calls() -> None:
    """Every call of the API. Options are the fields of its body or query."""


@cache
def _rows() -> dict[str, "Call"]:
    from shardhouse.contract.table import CALLS

    return {_kebab(call.operation): call for call in CALLS}


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().replace("_", "-")


def _command(name: str, call: "Call") -> Any:
    from shardhouse.contract.reference import fields

    parts = [part for part in call.path_parameters if part not in _KNOWN]
    parameters = [_argument(part) for part in parts]
    setters: dict[str, Callable[[dict[str, Any], str], None]] = {}
    queries: dict[str, str] = {}
    for model in (call.query, call.body):
        for field in fields(model):
            if "[]" in field.name or field.type == "object":
                continue
            parameter = "field_" + field.name.replace(".", "__")
            if model is call.query:
                queries[parameter] = field.name
            else:
                setters[parameter] = _setter(field)
            option = typer.Option(
                f"--{field.name.replace('_', '-')}",
                help=_help(field),
                autocompletion=_values(field),
            )
            parameters.append(_option(parameter, option))
    if setters:
        option = typer.Option("--body", help="The body as JSON, or @FILE; options add to it.")
        parameters.append(_option("whole", option))
    if starts_jobs(call):
        parameters.append(Parameter("wait", Parameter.KEYWORD_ONLY, annotation=Wait, default=False))
    if not answers_file(call):
        parameters.append(Parameter("json", Parameter.KEYWORD_ONLY, annotation=Json, default=False))
    parameters.append(
        Parameter("data_dir", Parameter.KEYWORD_ONLY, annotation=DataDir, default=None)
    )

    def run(
        *, data_dir: Path | None, json: bool = False, wait: bool = False, **given: str | None
    ) -> None:
        body = _whole(given.get("whole") or "")
        for parameter, setter in setters.items():
            value = given[parameter]
            if value is not None:
                setter(body, value)
        params = {
            wire: value
            for parameter, wire in queries.items()
            if (value := given[parameter]) is not None
        }
        path = {part: str(given[part]) for part in parts}
        sent = {call.wrapper: body} if call.wrapper else body
        _send(call, path, sent, params, data_dir, wait=wait, json=json)

    # Typer reads a command's options from its function's signature.
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return _made(name, call, run)


def _made(name: str, call: "Call", run: Callable[..., None]) -> Any:
    made = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    made.command(
        name, help=f"{call.summary}\n\n{call.method} {call.path}", short_help=call.summary
    )(run)
    return typer.main.get_command(made)


def starts_jobs(call: "Call") -> bool:
    """Whether a call's answer names a job that it started, or one for each of several instances."""
    from shardhouse.contract.reference import fields

    names = {field.name.rpartition("[].")[2] for field in fields(call.answer)}
    return "job_id" in names and not call.only_reads


def answers_file(call: "Call") -> bool:
    """Whether a call answers with a file, as those do that links name, instead of JSON."""
    from shardhouse.contract.links import LinkQuery

    return call.query is LinkQuery


def _to_stdout(client: "Client", link: str) -> None:
    with client.download(link) as (_, pieces), downloads.piping(sys.stdout.buffer) as file:
        file.writelines(pieces)


def _job_ids(answer: dict[str, Any]) -> list[str]:
    """Jobs that an answer names, by itself or in one of its lists."""
    lists = [value for value in answer.values() if isinstance(value, list)]
    items = [answer, *(item for found in lists for item in found if isinstance(item, dict))]
    return [str(item["job_id"]) for item in items if item.get("job_id")]


def _argument(part: str) -> Parameter:
    find = completion.BY_FIELD.get(part)
    offered = completion.names if part in _METAVARS else completion.ids
    argument = typer.Argument(
        metavar=_METAVARS.get(part, part.upper()), autocompletion=find and offered(find)
    )
    annotation = Annotated[str, argument]
    return Parameter(part, Parameter.KEYWORD_ONLY, annotation=annotation)


def _values(field: "FieldReference") -> Any:
    """What a shell offers for a field: its choices, or ids."""
    if field.choices or field.type == "boolean":
        choices = list(field.choices) or ["true", "false"]
        return lambda: choices
    known = completion.BY_FIELD.items()
    return next((completion.ids(find) for name, find in known if field.name.endswith(name)), None)


def _option(parameter: str, option: Any) -> Parameter:
    annotation = Annotated[str | None, option]
    return Parameter(parameter, Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _send(
    call: "Call",
    path: dict[str, str],
    body: dict[str, Any],
    params: dict[str, str],
    data_dir: Path | None,
    *,
    wait: bool,
    json: bool,
) -> None:
    """Make the call and print its answer; with `wait` the jobs that it started instead, until they
    have ended: progress for a person, JSON for programs."""
    from shardhouse.cli.client import connect
    from shardhouse.cli.instances import find
    from shardhouse.cli.jobs import follow
    from shardhouse.client.jobs import check

    with connect(data_dir) as client:
        if "instance_id" in path:
            path["instance_id"] = find(client, path["instance_id"])["id"]
        if answers_file(call):
            _to_stdout(client, f"{client.url_of(call, path)}?{urlencode(params)}")
            return
        answer = client.call(call, path, body, params)
        jobs = _job_ids(answer) if wait else []
        if not jobs:
            output.print_json(answer)
        ended = [follow(client, job_id, quiet=json) for job_id in jobs]
    if ended and json:
        output.print_json(ended[0] if "job_id" in answer else ended)
    for job in ended:
        check(job)


def _whole(text: str) -> dict[str, Any]:
    """The body that `--body` gives."""
    if not text:
        return {}
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except OSError as error:
            raise CliError(f"{text[1:]} cannot be read: {error.strerror}.") from None
    try:
        body = json_text.loads(text)
    except ValueError as error:
        raise CliError(f"--body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise CliError("--body must be a JSON object.")
    return body


def _setter(field: "FieldReference") -> Callable[[dict[str, Any], str], None]:
    """Puts an option's text where the field is; a secret may come from standard input."""
    from shardhouse.client import bodies

    def put(body: dict[str, Any], text: str) -> None:
        if field.secret and text == "-":
            text = sys.stdin.readline().rstrip("\n")
        bodies.put(body, field, text)

    return put


def _help(field: "FieldReference") -> str:
    return " ".join(
        part
        for part in (
            field.description,
            "`-` reads it from standard input." if field.secret else "",
            "Required." if field.required else "",
        )
        if part
    )
