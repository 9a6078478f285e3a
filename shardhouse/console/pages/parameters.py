"""Parameters of an instance's parts, as their servers have them."""

from dataclasses import replace
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import one_instance
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.configurations import LIST_ENTITY_CHANGES, SHOW_ENTITY, UPDATE_ENTITY

Json = dict[str, Any]
VALUE = "value:"
"""How names of inputs begin whose rest is a parameter's."""


def shown(visit: Visit) -> Answer:
    """The parameters of a part, with inputs for others, and what was changed lately."""
    return _shown(visit)


def changed(visit: Visit) -> Answer:
    """The values that differ from those of the servers are asked for; the form again, with what is
    wrong, if they are refused."""
    entity_id = visit.form.get("entity", "")
    path = {"instance_id": visit.instance_id}
    try:
        now = visit.client.call(SHOW_ENTITY, path, {}, {"entity_id": entity_id})["parameters"]
        values = typed_values(now, visit)
        place = f"{PATH}/instances/{visit.instance_id}/parameters?entity={entity_id}"
        if not values:
            return Moved(place)
        body = {"entity_id": entity_id, "parameter_values": values}
        answer = visit.client.call(UPDATE_ENTITY, path, body, {})
    except RefusalError as error:
        return _shown(visit, error)
    return Moved(f"{PATH}/jobs/{answer['job_id']}")


def typed_values(parameters: list[Json], visit: Visit) -> dict[str, str]:
    """What a form says of parameters that have, or will have, another value."""
    wanted = {one["name"]: one.get("pending_value", one["value"]) for one in parameters}
    typed = {
        name: visit.form[f"{VALUE}{name}"] for name in wanted if f"{VALUE}{name}" in visit.form
    }
    return {name: value for name, value in typed.items() if value != wanted[name]}


def rows(parameters: list[Json], visit: Visit) -> list[Json]:
    """Parameters, each with what its input shows, and its choices where these are words."""
    return [
        {
            **one,
            "typed": visit.form.get(
                f"{VALUE}{one['name']}", one.get("pending_value", one["value"])
            ),
            "choices": one["value_range"].split("|") if "|" in one["value_range"] else [],
        }
        for one in parameters
    ]


def _shown(visit: Visit, error: RefusalError | None = None) -> Page:
    found = one_instance.find(visit)
    parts = _parts(found)
    first = next((id for id, _ in parts), "")
    entity_id = visit.form.get("entity") or visit.query.get("entity") or first
    path, query = {"instance_id": found["id"]}, {"entity_id": entity_id}
    problem, status = (error.message, error.status) if error else ("", 200)
    parameters: list[Json] = []
    histories: list[Json] = []
    try:
        parameters = visit.client.call(SHOW_ENTITY, path, {}, query)["parameters"]
        histories = visit.client.call(LIST_ENTITY_CHANGES, path, {}, query)["histories"]
    except RefusalError as refusal:
        problem = problem or refusal.message
    page = one_instance.page(
        "parameters.html",
        "parameters",
        found,
        pause=10,
        parts=parts,
        entity_id=entity_id,
        rows=rows(parameters, visit),
        histories=histories,
        problem=problem,
    )
    return replace(page, status=status)


def _parts(instance: Json) -> list[tuple[str, str]]:
    """Id and name of the parts that have parameters of their own."""
    parts = []
    for group in instance["groups"]:
        if group["type"] in ("shard", "config"):
            parts.append((group["id"], group["name"]))
        elif group["type"] in ("replica", "single"):
            parts.append((instance["id"], "the whole instance"))
        else:
            parts += [(node["id"], f"{node['name']} ({group['type']})") for node in group["nodes"]]
    return parts
