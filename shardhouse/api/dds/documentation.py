"""`/openapi.json`, and `/docs`: the contract to read, in one page that needs nothing else."""

import json
from collections.abc import Iterator
from html import escape
from importlib.metadata import version

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from shardhouse.contract.call import Call, Nothing, Wire
from shardhouse.contract.openapi import document, errors
from shardhouse.contract.reference import fields, lawful
from shardhouse.contract.table import NOUNS

#: Nothing is loaded and no script runs, whatever a description holds.
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem; }
td { border-bottom: 1px solid #8884; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { padding: .6rem; background: #8882; overflow: auto; }
h3 { margin-top: 2.5rem; }
"""


def router() -> APIRouter:
    """Both routes; what they answer is made once."""
    routes = APIRouter()
    described = document(NOUNS, version("shardhouse"))
    page = "".join(_page())

    @routes.get("/openapi.json")
    def openapi() -> JSONResponse:
        return JSONResponse(described)

    @routes.get("/docs")
    def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=_POLICY)

    return routes


def _page() -> Iterator[str]:
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Shardhouse DDS API</title><style>{_STYLE}</style></head><body><main>"
        '<h1>Shardhouse DDS API</h1><p>As data: <a href="/openapi.json">openapi.json</a></p>'
        "<nav><ul>"
    )
    for noun, calls in NOUNS.items():
        yield f"<li>{escape(noun)}<ul>"
        for call in calls:
            yield (
                f'<li><a href="#{call.operation}"><code>{call.method} {escape(call.path)}</code>'
                f"</a> {escape(call.summary)}</li>"
            )
        yield "</ul></li>"
    yield "</ul></nav>"
    for noun, calls in NOUNS.items():
        yield f"<h2>{escape(noun)}</h2>"
        for call in calls:
            yield from _section(call)
    yield "</main></body></html>"


def _section(call: Call) -> Iterator[str]:
    yield f'<h3 id="{call.operation}">{call.operation}</h3>'
    yield f"<p><code>{call.method} {escape(call.path)}</code></p><p>{escape(call.summary)}</p>"
    if call.addition:
        yield "<p>Our own addition: no document has this call.</p>"
    if call.permission:
        yield f"<p>Permission: <code>{escape(call.permission)}</code></p>"
    if "instance_id" in call.path_parameters:
        yield f"<p>Lawful: {escape(lawful(call))}</p>"
    yield from _fields("Query", call.query)
    yield from _fields(f"Body, in {call.wrapper}" if call.wrapper else "Body", call.body)
    if call.example:
        example = dict(call.example)
        shown = {call.wrapper: example} if call.wrapper else example
        yield f"<pre>{escape(json.dumps(shown, indent=2))}</pre>"
    yield from _fields(f"Answer ({call.success})", call.answer)
    refusals = ", ".join(f"{code.code} ({code.status}, {code.meaning})" for code in errors(call))
    yield f"<p>Errors beside those of fields: {escape(refusals)}</p>"


def _fields(title: str, model: type[Wire]) -> Iterator[str]:
    if model is Nothing:
        return
    yield f"<h4>{escape(title)}</h4><table><tr><th>field<th>type<th>required<th></tr>"
    for field in fields(model):
        yield (
            f"<tr><td><code>{escape(field.name)}</code><td>{escape(field.type)}"
            f"<td>{'yes' if field.required else ''}<td>{escape(field.description)}</tr>"
        )
    yield "</table>"
