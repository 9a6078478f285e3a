"""Creating an instance: the command line's own options as a form, what it would take, and the same
as a request."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shardhouse.client import orders
from shardhouse.client.errors import RefusalError
from shardhouse.client.orders import Order
from shardhouse.console import forms
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.instances import CREATE_INSTANCE, DATASTORE
from shardhouse.contract.offers import LIST_DATASTORE_VERSIONS, LIST_FLAVORS
from shardhouse.contract.reference import fields

_DEFAULTS = {
    "name": "",
    "mode": "sharding",
    "version": orders.VERSION,
    "spec": orders.SPEC,
    "size": "20",
    "shards": "2",
    "mongos": "2",
    "members": "3",
    "port": "8635",
    "ssl": "yes",
    "keep_days": "7",
    "zone": "",
}
_MODES: Mapping[orders.Mode, str] = {
    "sharding": "Sharded cluster",
    "replicaset": "Replica set",
    "single": "Single node",
}
_ONLY: Mapping[str, str] = {"shards": "sharding", "mongos": "sharding", "members": "replicaset"}
#: How many nodes stand behind one of a kind's `num`.
_NODES_PER = {"shard": 3, "config": 3}
_SPREAD = 3
"""How many zones an instance is in that is in several."""
_TEMPLATE = "configuration-"
"""How the fields of parameter templates begin; the type of nodes follows."""
_MASKED = "****"
_CURL = """\
curl -X POST {url} \\
  -H 'X-Auth-Token: TOKEN' -H 'Content-Type: application/json' -d @- <<'END'
{body}
END"""


def asked(visit: Visit) -> Answer:
    """The form; the query may have values for it."""
    return _form(visit, {**_DEFAULTS, **visit.query})


def created(visit: Visit) -> Answer:
    """The instance is asked for; the form again, with what is wrong if it is refused, or with what
    it would take if only that was wanted."""
    typed = {**_DEFAULTS, **visit.form}
    if "again" in visit.form:
        return _form(visit, typed)
    try:
        body = _body(visit, typed, typed.get("password", ""))
        answer = visit.client.call(CREATE_INSTANCE, {}, body, {})
    except RefusalError as error:
        return _form(visit, typed, error)
    return Moved(f"{PATH}/instances/{answer['id']}")


def _form(visit: Visit, typed: Mapping[str, str], error: RefusalError | None = None) -> Page:
    described = {one.name: one.description for one in fields(CREATE_INSTANCE.body)}
    found = visit.client.call(LIST_DATASTORE_VERSIONS, {"datastore_name": DATASTORE}, {}, {})
    flavors = visit.client.call(LIST_FLAVORS, {}, {}, {"region": visit.client.region})["flavors"]
    zones = _zones(flavors)
    typed = {**typed, "zone": typed["zone"] or zones[0]}
    sizes = {code: one for one in flavors if (code := _size_of(one["spec_code"]))}
    versions = [(one, one) for one in found["versions"]]
    choices = [
        Field("name", "Name", "input", True, described["name"], typed["name"]),
        Field(
            "mode",
            "Mode",
            "choice",
            True,
            value=typed["mode"],
            choices=list(_MODES.items()),
        ),
        Field(
            "version",
            "Version",
            "choice",
            True,
            value=typed["version"],
            choices=versions,
        ),
        Field(
            "spec",
            "Size of its nodes",
            "choice",
            True,
            value=typed["spec"],
            choices=[
                (code, f"{one['vcpus']} CPU, {one['ram']} GB ({code})")
                for code, one in sizes.items()
            ],
        ),
        _count("size", "GB of each data node's volume", typed),
        _count("shards", "Shards", typed),
        _count("mongos", "Routers", typed),
        _count("members", "Members", typed),
        _count("port", "Port", typed, described["port"]),
        Field("ssl", "TLS", "choice", value=typed["ssl"], choices=[("yes", "yes"), ("no", "no")]),
        Field(
            "zone",
            "Zones",
            "choice",
            value=typed["zone"],
            choices=[(one, one) for one in zones],
        ),
        _count("keep_days", "Days that automatic backups are kept", typed, "0: there are none."),
        *_templates(visit, typed),
        Field("password", "Password of rwuser", "password", True, described["password"]),
    ]
    shown = [
        replace(one, reloads=one.kind != "password")
        for one in choices
        if _ONLY.get(one.name, typed["mode"]) == typed["mode"]
    ]
    return forms.page(
        "Create an instance",
        f"{PATH}/instances/new",
        shown,
        "Create",
        error,
        template="create.html",
        again="Count again",
        cost=_cost(typed, flavors),
        request=_request(visit, typed),
    )


def _zones(flavors: list[dict[str, Any]]) -> list[str]:
    """Each zone that is offered, and the first ones together."""
    zones = list(dict.fromkeys(zone for one in flavors for zone in one["az_status"]))
    return zones + ([",".join(zones[:_SPREAD])] if len(zones) >= _SPREAD else [])


def _templates(visit: Visit, typed: Mapping[str, str]) -> list[Field]:
    """A choice for each type of nodes for which the project has parameter templates."""
    own: dict[str, list[tuple[str, str]]] = {}
    for one in visit.client.configurations():
        if one["user_defined"] and one["datastore_version"] == typed["version"]:
            own.setdefault(one["node_type"], []).append((one["id"], one["name"]))
    return [
        Field(
            _TEMPLATE + kind,
            f"Parameter template of {kind} nodes",
            "choice",
            value=typed.get(_TEMPLATE + kind, ""),
            choices=[("", "the default"), *own[kind]],
        )
        for kind in _types(typed)
        if kind in own
    ]


def _types(typed: Mapping[str, str]) -> list[str]:
    """The types of nodes that the mode has; none where there is no such mode."""
    try:
        return [one["type"] for one in _order(typed, "").flavor()]
    except RefusalError:
        return []


def _body(visit: Visit, typed: Mapping[str, str], password: str) -> dict[str, Any]:
    """What was typed, as the API wants it. Raises RefusalError 400."""
    body = _order(typed, visit.client.region).body(password)
    strategy = {"start_time": "01:00-02:00", "keep_days": _number(typed, "keep_days")}
    body["backup_strategy"] = strategy
    chosen = [
        {"type": kind, "configuration_id": template}
        for kind in _types(typed)
        if (template := typed.get(_TEMPLATE + kind))
    ]
    return body | ({"configurations": chosen} if chosen else {})


def _request(visit: Visit, typed: Mapping[str, str]) -> str:
    """The same as a call of curl, without the password; empty for what is no request."""
    try:
        body = _body(visit, typed, _MASKED)
    except RefusalError:
        return ""
    url = f"{visit.client.dds_url}/instances"
    return _CURL.format(url=url, body=json.dumps(body, indent=2))


def _order(typed: Mapping[str, str], region: str) -> Order:
    """What was typed. Raises RefusalError 400 for what is no number, or no mode."""
    mode: orders.Mode | None = next((one for one in _MODES if one == typed["mode"]), None)
    if mode is None:
        wanted = ", ".join(_MODES)
        raise RefusalError(400, "", f"mode: one of {wanted} is expected, got {typed['mode']}.")
    return Order(
        name=typed["name"],
        mode=mode,
        version=typed["version"],
        spec=typed["spec"],
        size=_number(typed, "size"),
        shards=_number(typed, "shards"),
        mongos=_number(typed, "mongos"),
        members=_number(typed, "members"),
        region=region,
        port=_number(typed, "port"),
        ssl=typed["ssl"] == "yes",
        zone=typed["zone"] or None,
    )


def _cost(typed: Mapping[str, str], flavors: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Nodes, GB of memory by their flavors and GB of volumes; None for what cannot be counted."""
    memory = {one["spec_code"]: float(one["ram"]) for one in flavors}
    try:
        entries = _order(typed, "").flavor()
    except RefusalError:
        return None
    total = {"nodes": 0, "memory": 0.0, "disk": 0}
    for entry in entries:
        nodes = entry["num"] * _NODES_PER.get(entry["type"], 1)
        total["nodes"] += nodes
        total["memory"] += nodes * memory.get(entry["spec_code"], 0.0)
        total["disk"] += nodes * entry.get("size", 0)
    return total


def _count(name: str, label: str, typed: Mapping[str, str], help_text: str = "") -> Field:
    return Field(name, label, "number", True, help_text, typed[name])


def _number(typed: Mapping[str, str], name: str) -> int:
    try:
        return int(typed[name])
    except ValueError:
        raise RefusalError(400, "", f"{name}: a number is expected, got {typed[name]}.") from None


def _size_of(spec_code: str) -> str:
    """`s2.medium.4` of `dds.mongodb.s2.medium.4.shard`; empty for flavors of other nodes."""
    head, _, kind = spec_code.rpartition(".")
    return head.removeprefix("dds.mongodb.") if kind == "shard" else ""
