"""What clients run at an instance now, and ending it; rules that end it by themselves."""

from dataclasses import replace
from itertools import groupby
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import forms, one_instance
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract import kill_rules, sessions
from shardhouse.contract.kill_rules import (
    CREATE_RULE,
    DELETE_RULES,
    DISABLE,
    ENABLE,
    LIST_RULES,
    SWITCH_RULES,
)
from shardhouse.contract.sessions import KILL_SESSIONS, LIST_SESSIONS
from shardhouse.domain.kill_rules import NodeType

Json = dict[str, Any]
MOST = 100
"""Sessions that are shown of a node."""
_FILTERS = ("type", "namespace", "plan_summary")
_DELETE = "delete"
_CHANGED = {ENABLE: "enabled", DISABLE: "disabled", _DELETE: "deleted"}


def listed(visit: Visit) -> Answer:
    """The sessions of one node or of all that clients connect to, the longest operations first."""
    found = one_instance.find(visit)
    nodes = one_instance.client_nodes(found)
    wanted = visit.query.get("node", "")
    idle = bool(visit.query.get("idle"))
    filters = {name: visit.query.get(name, "") for name in _FILTERS}
    rows, problems, full = [], [], []
    for node in nodes:
        if wanted in ("", node["id"]):
            try:
                found_there, count = _sessions(visit, node, filters)
                rows += [{**one, "node": node} for one in found_there]
                if count > len(found_there):
                    full.append(node["name"])
            except RefusalError as error:
                problems.append(f"{node['name']}: {error.message}")
    rows = [one for one in rows if idle or one["active"]]
    rows.sort(key=lambda one: -int(one["cost_time"]))
    return one_instance.page(
        "operations.html",
        "operations",
        found,
        sessions=rows,
        problems="\n".join(problems),
        full=full,
        most=MOST,
        nodes=nodes,
        wanted=wanted,
        filters=filters,
        types=[one for one in sessions.TYPES if one != "none"],
        idle=idle,
        rules=one_instance.exists_for(found, LIST_RULES),
    )


def killed(visit: Visit) -> Answer:
    """What was chosen ends; a refusal at one node does not keep those of others from it."""
    only = visit.form.get("only")
    chosen = [only] if only else visit.choices.get("session", ())
    pairs = sorted(tuple(one.split("/", 1)) for one in chosen if "/" in one)
    problems = []
    for node_id, group in groupby(pairs, key=lambda pair: pair[0]):
        try:
            body = {"sessions": [session for _, session in group]}
            visit.client.call(KILL_SESSIONS, {"node_id": node_id}, body, {})
        except RefusalError as error:
            problems.append(error.message)
    words = "" if problems else f"Ended: {len(pairs)}."
    place = f"{PATH}/instances/{visit.instance_id}/operations"
    return Moved(place, words, "\n".join(problems))


def rules(visit: Visit) -> Answer:
    """The rules, and a form for another one."""
    return _rules(visit)


def rule_created(visit: Visit) -> Answer:
    """A new rule; the form again, with what is wrong, if it is refused."""
    body = forms.body_of(CREATE_RULE, visit.choices)
    try:
        visit.client.call(CREATE_RULE, _path(visit), body, {})
    except RefusalError as error:
        return _rules(visit, error)
    return Moved(_place(visit), "The rule is made; it works when it is enabled.")


def rules_changed(visit: Visit) -> Answer:
    """Rules are enabled, disabled or deleted."""
    ids, action = list(visit.choices.get("rule", ())), visit.form.get("action", "")
    try:
        if action == _DELETE:
            visit.client.call(DELETE_RULES, _path(visit), {"ids": ids}, {})
        else:
            visit.client.call(SWITCH_RULES, _path(visit), {"ids": ids, "action": action}, {})
    except RefusalError as error:
        return _rules(visit, error)
    return Moved(_place(visit), f"Rules {_CHANGED[action]}: {len(ids)}.")


def _rules(visit: Visit, error: RefusalError | None = None) -> Page:
    found = one_instance.find(visit)
    listed = visit.client.call(LIST_RULES, _path(visit), {}, {})["rules"]
    page = one_instance.page(
        "kill_rules.html",
        "operations",
        found,
        rules=listed,
        fields=_fields(visit),
        actions=(ENABLE, DISABLE, _DELETE),
        harmless=DISABLE,
        problem=error.message if error else "",
    )
    return replace(page, status=error.status) if error else page


def _fields(visit: Visit) -> list[Field]:
    def pairs(*words: str) -> list[tuple[str, str]]:
        return [(one, one) for one in words]

    asked = {one.name: one for one in forms.of_call(CREATE_RULE, {}, visit.form)}
    known = {
        "operation_types": replace(
            asked["operation_types"],
            kind="choices",
            value=tuple(visit.choices.get("operation_types", ())),
            help="",
            choices=pairs(*kill_rules.TYPES),
        ),
        "plan_summary": replace(
            asked["plan_summary"],
            kind="choice",
            help="A stage of the plan; any where empty.",
            choices=pairs("", *kill_rules.STAGES),
        ),
        "node_type": replace(asked["node_type"], kind="choice", choices=pairs(*NodeType)),
    }
    return [known.get(name, one) for name, one in asked.items()]


def _sessions(visit: Visit, node: Json, filters: dict[str, str]) -> tuple[list[Json], int]:
    """The sessions that are shown of a node, and how many there are."""
    params = {name: value for name, value in filters.items() if value} | {"limit": str(MOST)}
    found = visit.client.call(LIST_SESSIONS, {"node_id": node["id"]}, {}, params)
    return found["sessions"], found["total_count"]


def _path(visit: Visit) -> dict[str, str]:
    return {"instance_id": visit.instance_id}


def _place(visit: Visit) -> str:
    return f"{PATH}/instances/{visit.instance_id}/operations/rules"
