"""Parameter templates of a project: made, changed, compared, applied to instances."""

from dataclasses import replace
from typing import Any

from shardhouse.client import orders
from shardhouse.client.errors import RefusalError
from shardhouse.console import forms
from shardhouse.console.forms import Field
from shardhouse.console.pages.parameters import rows, typed_values
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.configurations import (
    APPLY_CONFIGURATION,
    COMPARE_CONFIGURATIONS,
    COPY_CONFIGURATION,
    CREATE_CONFIGURATION,
    DELETE_CONFIGURATION,
    LIST_APPLICABLE,
    LIST_APPLICATIONS,
    LIST_CONFIGURATION_CHANGES,
    RESET_CONFIGURATION,
    SHOW_CONFIGURATION,
    UPDATE_CONFIGURATION,
)
from shardhouse.contract.instances import DATASTORE
from shardhouse.contract.offers import LIST_DATASTORE_VERSIONS
from shardhouse.domain.parameters import NodeType

Json = dict[str, Any]
PLACE = f"{PATH}/configurations"
_PAGE = 100


def listed(visit: Visit) -> Answer:
    """The system's and the project's templates; the difference of two if two are named."""
    source, target = visit.query.get("source", ""), visit.query.get("target", "")
    differences: list[Json] | None = None
    problem = ""
    if source and target:
        body = {"source_configuration_id": source, "target_configuration_id": target}
        try:
            answer = visit.client.call(COMPARE_CONFIGURATIONS, {}, body, {})
            differences = answer["differences"]
        except RefusalError as error:
            problem = error.message
    every = list(visit.client.configurations())
    shown = {
        "templates": every,
        "names": {one["id"]: one["name"] for one in every},
        "source": source,
        "target": target,
        "differences": differences,
        "problem": problem,
    }
    return Page("configurations.html", "Parameter templates", shown)


def asked(visit: Visit) -> Answer:
    """The form of a new template; of the values of a part of an instance if the query names one."""
    return _new(visit)


def created(visit: Visit) -> Answer:
    """A new template; the form again, with what is wrong, if it is refused."""
    body = forms.body_of(CREATE_CONFIGURATION, visit.choices)
    if body.get("entity_id"):
        body.pop("datastore", None)  # the entity's
    try:
        answer = visit.client.call(CREATE_CONFIGURATION, {}, body, {})
    except RefusalError as error:
        return _new(visit, error)
    return Moved(f"{PLACE}/{answer['configuration']['id']}")


def shown(visit: Visit) -> Answer:
    """A template: its values, where it can be applied, and what was done with it."""
    return _shown(visit)


def changed(visit: Visit) -> Answer:
    """Name, description and values of a template."""
    try:
        now = visit.client.call(SHOW_CONFIGURATION, visit.path, {}, {})
        body: Json = {"parameter_values": typed_values(now["parameters"], visit)}
        body |= {
            name: visit.form[name]
            for name in ("name", "description")
            if visit.form.get(name, now[name]) != now[name]
        }
        visit.client.call(UPDATE_CONFIGURATION, visit.path, body, {})
    except RefusalError as error:
        return _shown(visit, error)
    return Moved(_place(visit), "The template is changed; what it was applied to stays as it is.")


def reset(visit: Visit) -> Answer:
    """A template gets all defaults."""
    visit.client.call(RESET_CONFIGURATION, visit.path, {}, {})
    return Moved(_place(visit), "All values are the defaults.")


def copied(visit: Visit) -> Answer:
    """Another template with the same values."""
    body = {"name": visit.form.get("name", "")}
    try:
        answer = visit.client.call(COPY_CONFIGURATION, visit.path, body, {})
    except RefusalError as error:
        return _shown(visit, error)
    return Moved(f"{PLACE}/{answer['configuration_id']}", "This is the copy.")


def applied(visit: Visit) -> Answer:
    """A template is applied to what was chosen."""
    body = {"entity_ids": list(visit.choices.get("entity", ()))}
    try:
        answer = visit.client.call(APPLY_CONFIGURATION, visit.path, body, {})
    except RefusalError as error:
        return _shown(visit, error)
    return Moved(f"{PATH}/jobs/{answer['job_id']}")


def deleted(visit: Visit) -> Answer:
    """A template is gone."""
    try:
        visit.client.call(DELETE_CONFIGURATION, visit.path, {}, {})
    except RefusalError as error:
        return _shown(visit, error)
    return Moved(PLACE, "The template is deleted.")


def _new(visit: Visit, error: RefusalError | None = None) -> Page:
    typed = {"datastore.version": orders.VERSION, **visit.query, **visit.form}
    versions = visit.client.call(LIST_DATASTORE_VERSIONS, {"datastore_name": DATASTORE}, {}, {})
    copies = bool(typed.get("entity_id"))
    known = {
        "datastore.node_type": _choice("datastore.node_type", "nodes", list(NodeType)),
        "datastore.version": _choice("datastore.version", "version", versions["versions"]),
    }
    fields = []
    for field in forms.of_call(CREATE_CONFIGURATION, known, typed):
        if field.name == "entity_id" and copies:
            fields.append(replace(field, readonly=True, help="Its values are the template's."))
        elif field.name in ("name", "description") or (field.name in known and not copies):
            fields.append(field)
    return forms.page("Make a parameter template", PLACE, fields, "Make it", error)


def _shown(visit: Visit, error: RefusalError | None = None) -> Page:
    found = visit.client.call(SHOW_CONFIGURATION, visit.path, {}, {})
    every = list(visit.client.configurations())
    own = next((one["user_defined"] for one in every if one["id"] == found["id"]), False)
    instances = visit.client.call(LIST_APPLICABLE, visit.path, {}, {"limit": str(_PAGE)})
    histories = (
        visit.client.call(LIST_CONFIGURATION_CHANGES, visit.path, {}, {})["histories"]
        if own
        else []
    )
    shown = {
        "template": found,
        "own": own,
        "rows": rows(found["parameters"], visit),
        "instances": instances["instances"],
        "histories": histories,
        "applications": visit.client.call(LIST_APPLICATIONS, visit.path, {}, {})["histories"],
        "problem": error.message if error else "",
    }
    return Page("configuration.html", found["name"], shown, error.status if error else 200)


def _choice(name: str, label: str, words: list[Any]) -> Field:
    return Field(name, label, "choice", True, choices=[(str(one), str(one)) for one in words])


def _place(visit: Visit) -> str:
    return f"{PLACE}/{visit.path['config_id']}"
