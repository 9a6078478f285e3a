"""Alarm rules of Cloud Eye: on metrics of nodes and clusters, and what values make of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shardhouse.client.api import segment
from shardhouse.client.errors import RefusalError
from shardhouse.console import forms, one_instance
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.domain import alarm
from shardhouse.domain.metric_dimensions import VOCABULARIES
from shardhouse.domain.metric_series import FILTERS
from shardhouse.domain.metrics import BY_ID, METRICS, NAMESPACE, Kind, Metric
from shardhouse.domain.model import GroupType, Mode

Json = dict[str, Any]
_LEVELS = {1: "critical", 2: "major", 3: "minor", 4: "informational"}
_PERIODS = {
    1: "each minute",
    300: "5 minutes",
    1200: "20 minutes",
    3600: "1 hour",
    14400: "4 hours",
}
_DEFAULTS = {
    "resource": "",
    "metric_name": "mongo031_cpu_usage",
    "filter": "average",
    "comparison_operator": ">=",
    "value": "80",
    "period": "300",
    "count": "3",
    "level": "2",
    "suppress_duration": "0",
}
#: Queries and rules may have either vocabulary; this one names nodes alike, whatever their role.
_NAMES = VOCABULARIES["huawei"]
_DATA = frozenset({Kind.PRIMARY, Kind.SECONDARY})
_ROUTER = frozenset({Kind.ROUTER})
#: A rule of the cloud names topics. Whatever they are, the operator's webhook is told.
_ACTION = {"type": "notification", "notificationList": ["urn:smn:webhook"]}


@dataclass(frozen=True)
class _Resource:
    """What a rule may be about: a node, or a cluster as a whole, which has no `kinds`."""

    id: str
    name: str
    kinds: frozenset[Kind]
    dimensions: list[dict[str, str]]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that it has, in any of its roles."""
        return [
            one for one in METRICS if (one.objects & self.kinds if self.kinds else one.of_clusters)
        ]


#: What goes wrong most: a metric, from which value on that is too much, and how bad that is.
_BASIC = (
    ("mongo031_cpu_usage", 80.0, 2),
    ("mongo032_mem_usage", 90.0, 2),
    ("mongo007_connections_usage", 80.0, 2),
    ("mongo035_disk_usage", 80.0, 1),
    ("mongo026_repl_lag", 60.0, 2),
)


def listed(visit: Visit) -> Answer:
    """The table of rules, newest first, and their states."""
    instances = list(visit.client.instances())
    names = {
        one["id"]: one["name"]
        for instance in instances
        for one in (instance, *(node for group in instance["groups"] for node in group["nodes"]))
    }
    wanted = visit.query.get("instance_id", "")
    rules = [
        {
            "rule": rule,
            "about": [names.get(one["value"], one["value"]) for one in _about(rule)],
            "condition": _words(rule["condition"]),
            "metric": _metric_name(rule["metric"]["metric_name"]),
            "level": _LEVELS[rule["alarm_level"]],
        }
        for rule in visit.client.alarms()
        if wanted in ("", *(one["value"] for one in _about(rule)))
    ]
    shown = {
        "rules": rules,
        "instances": [(one["id"], one["name"]) for one in instances],
        "instance_id": wanted,
    }
    return Page("alarms.html", "Alarms", shown)


def asked(visit: Visit) -> Answer:
    """The form of a new rule; the query may have values for it."""
    return _form(visit, {**_DEFAULTS, **visit.query})


def created(visit: Visit) -> Answer:
    """A rule is made; the form again where only another instance or node was chosen, or with what
    is wrong if it is refused."""
    typed = {**_DEFAULTS, **visit.form}
    if "again" in visit.form:
        return _form(visit, typed)
    try:
        instance = one_instance.of_id(visit, typed.get("instance_id", ""))
        resource = _resource(instance, typed["resource"])
        condition = {
            "filter": typed["filter"],
            "comparison_operator": typed["comparison_operator"],
            "value": _number(typed, "value"),
            "period": _number(typed, "period"),
            "count": _number(typed, "count"),
            "suppress_duration": _number(typed, "suppress_duration"),
        }
        name = typed.get("alarm_name") or f"{resource.name} {typed['metric_name']}"
        _create(visit, name, resource, typed["metric_name"], condition, _number(typed, "level"))
    except RefusalError as error:
        return _form(visit, typed, error)
    return Moved(f"{PATH}/alarms", f"The rule {name} is made.")


def basic(visit: Visit) -> Answer:
    """The few rules that most people want are made for an instance, as far as there are none."""
    instance = one_instance.of_id(visit, visit.form.get("instance_id", ""))
    existing = {
        (rule["metric"]["metric_name"], frozenset(one["value"] for one in _about(rule)))
        for rule in visit.client.alarms()
    }
    made = 0
    for resource in _resources(instance):
        ids = frozenset(one["value"] for one in resource.dimensions)
        known = {one.id for one in resource.metrics} if resource.kinds else set()
        for metric, value, level in _BASIC:
            alone = instance["mode"] == Mode.SINGLE and BY_ID[metric].objects == {Kind.SECONDARY}
            if metric not in known or alone or (metric, ids) in existing:
                continue
            condition = {
                "filter": "average",
                "comparison_operator": ">=",
                "value": value,
                "period": 300,
                "count": 3,
                "suppress_duration": 3600,
            }
            name = f"{resource.name} {_metric_name(metric)}"
            _create(visit, name, resource, metric, condition, level)
            made += 1
    return Moved(f"{PATH}/alarms", f"Rules made for {instance['name']}: {made}.")


def switched(visit: Visit) -> Answer:
    """A rule is judged from now on, or is not."""
    enabled = visit.form.get("enabled") == "true"
    visit.client.iam("PUT", f"{_path(visit)}/action", {"alarm_enabled": enabled})
    return Moved(f"{PATH}/alarms", "The rule is judged." if enabled else "The rule is off.")


def deleted(visit: Visit) -> Answer:
    """A rule goes."""
    visit.client.iam("DELETE", _path(visit))
    return Moved(f"{PATH}/alarms", "The rule is deleted.")


def _form(visit: Visit, typed: Mapping[str, str], error: RefusalError | None = None) -> Page:
    instances = [(one["id"], one["name"]) for one in visit.client.instances()]
    if not instances:
        raise RefusalError(404, "", "There are no instances in this project.")
    chosen = typed.get("instance_id") or instances[0][0]
    resources = _resources(one_instance.of_id(visit, chosen))
    resource = next((one for one in resources if one.id == typed["resource"]), resources[0])
    named = {
        "instance_id": ("Instance", instances),
        "resource": ("Of", [(one.id, one.name) for one in resources]),
        "metric_name": (
            "Metric",
            [(one.id, f"{one.name} ({one.unit})") for one in resource.metrics],
        ),
        "filter": ("Taken of each period", [(one, one) for one in FILTERS]),
        "comparison_operator": ("Alarm where that is", [(one, one) for one in alarm.COMPARISONS]),
        "value": ("Value", []),
        "period": ("Period", [(str(one), _PERIODS[one]) for one in alarm.PERIODS]),
        "count": ("Periods in a row", [(str(one), str(one)) for one in alarm.COUNTS]),
        "level": ("Level", [(str(one), _LEVELS[one]) for one in alarm.LEVELS]),
        "suppress_duration": (
            "Tell again while it lasts",
            [(str(one), f"every {one // 60} minutes" if one else "no") for one in alarm.SUPPRESSED],
        ),
    }
    values = {**typed, "instance_id": chosen}
    fields = [
        Field(
            name,
            label,
            "choice" if choices else "input",
            True,
            value=values[name],
            choices=choices,
            reloads=name in ("instance_id", "resource"),
        )
        for name, (label, choices) in named.items()
    ]
    own_name = "Empty: made of the node and the metric."
    fields.append(
        Field("alarm_name", "Name", "input", False, own_name, typed.get("alarm_name", ""))
    )
    again = "Show the metrics of this choice"
    to = f"{PATH}/alarms/new"
    return forms.page("A new alarm rule", to, fields, "Make the rule", error, again=again)


def _create(
    visit: Visit, name: str, resource: _Resource, metric: str, condition: Json, level: float
) -> None:
    unit = BY_ID[metric].unit if metric in BY_ID else ""
    body = {
        "alarm_name": name,
        "metric": {
            "namespace": NAMESPACE,
            "metric_name": metric,
            "dimensions": resource.dimensions,
        },
        "condition": {**condition, "unit": unit},
        "alarm_level": level,
        "alarm_action_enabled": True,
        "alarm_actions": [_ACTION],
        "ok_actions": [_ACTION],
    }
    visit.client.iam("POST", _root(visit), body)


def _resource(instance: Json, resource_id: str) -> _Resource:
    found = next((one for one in _resources(instance) if one.id == resource_id), None)
    if found is None:
        raise RefusalError(404, "", f"{instance['name']} has no node {resource_id}.")
    return found


def _resources(instance: Json) -> list[_Resource]:
    """A cluster as a whole, and the nodes."""
    whole = {"name": _NAMES.instance, "value": instance["id"]}
    found = []
    if instance["mode"] == Mode.SHARDING:
        name = f"{instance['name']} as a whole"
        found.append(_Resource(instance["id"], name, frozenset(), [whole]))
    for group in instance["groups"]:
        kinds = _ROUTER if group["type"] == GroupType.MONGOS else _DATA
        for node in group["nodes"]:
            own = {"name": _NAMES.nodes[Kind.PRIMARY], "value": node["id"]}
            found.append(_Resource(node["id"], node["name"], kinds, [whole, own]))
    return found


def _about(rule: Json) -> list[dict[str, str]]:
    """The dimensions of a rule's metric."""
    found: list[dict[str, str]] = rule["metric"]["dimensions"]
    return found


def _metric_name(metric: str) -> str:
    return BY_ID[metric].name if metric in BY_ID else metric


def _words(condition: Json) -> str:
    """A condition for people."""
    words = "{filter} {comparison_operator} {value:g} {unit}".format(**condition)
    return f"{words}, {condition['count']} times {_PERIODS[condition['period']]}"


def _number(typed: Mapping[str, str], name: str) -> float:
    try:
        number = float(typed[name])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RefusalError(400, "", f"{name}: a number is expected, got {typed[name]}.")
    return int(number) if number.is_integer() else number


def _root(visit: Visit) -> str:
    return f"V1.0/{visit.client.project_id}/alarms"


def _path(visit: Visit) -> str:
    return f"{_root(visit)}/{segment(visit.path['alarm_id'])}"
