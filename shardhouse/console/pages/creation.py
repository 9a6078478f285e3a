"""Creating an instance: the command line's own options as a form, and what it would take."""

from collections.abc import Mapping
from typing import Any

from shardhouse.client import orders
from shardhouse.client.errors import RefusalError
from shardhouse.client.orders import Order
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.instances import CREATE_INSTANCE, DATASTORE
from shardhouse.contract.offers import LIST_DATASTORE_VERSIONS, LIST_FLAVORS
from shardhouse.contract.reference import fields

_DEFAULTS = {
    "name": "",
    "mode": "sharding",
    "version": "4.4",
    "spec": orders.SPEC,
    "size": "20",
    "shards": "2",
    "mongos": "2",
    "members": "3",
    "port": "8635",
    "ssl": "yes",
    "keep_days": "7",
}
_MODES: Mapping[orders.Mode, str] = {
    "sharding": "Sharded cluster",
    "replicaset": "Replica set",
    "single": "Single node",
}
_ONLY: Mapping[str, str] = {"shards": "sharding", "mongos": "sharding", "members": "replicaset"}
#: How many nodes stand behind one of a kind's `num`.
_NODES_PER = {"shard": 3, "config": 3}


def asked(visit: Visit) -> Answer:
    """The form; the query may have values for it."""
    return _form(visit, {**_DEFAULTS, **visit.query})


def created(visit: Visit) -> Answer:
    """The instance is asked for; the form again, with what is wrong if it is refused, or with what
    it would take if only that was wanted."""
    typed = {**_DEFAULTS, **visit.form}
    if "count" in visit.form:
        return _form(visit, typed)
    try:
        body = _order(typed, visit.client.region).body(typed.get("password", ""))
        strategy = {"start_time": "01:00-02:00", "keep_days": _number(typed, "keep_days")}
        body["backup_strategy"] = strategy
        answer = visit.client.call(CREATE_INSTANCE, {}, body, {})
    except RefusalError as error:
        return _form(visit, typed, error)
    return Moved(f"{PATH}/instances/{answer['id']}")


def _form(visit: Visit, typed: Mapping[str, str], error: RefusalError | None = None) -> Page:
    described = {one.name: one.description for one in fields(CREATE_INSTANCE.body)}
    found = visit.client.call(LIST_DATASTORE_VERSIONS, {"datastore_name": DATASTORE}, {}, {})
    flavors = visit.client.call(LIST_FLAVORS, {}, {}, {"region": visit.client.region})["flavors"]
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
            reloads=True,
        ),
        Field("version", "Version", "choice", True, value=typed["version"], choices=versions),
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
            reloads=True,
        ),
        _count("size", "GB of each data node's volume", typed),
        _count("shards", "Shards", typed),
        _count("mongos", "Routers", typed),
        _count("members", "Members", typed),
        _count("port", "Port", typed, described["port"]),
        Field("ssl", "TLS", "choice", value=typed["ssl"], choices=[("yes", "yes"), ("no", "no")]),
        _count("keep_days", "Days that automatic backups are kept", typed, "0: there are none."),
        Field("password", "Password of rwuser", "password", True, described["password"]),
    ]
    shown = [one for one in choices if _ONLY.get(one.name, typed["mode"]) == typed["mode"]]
    problem = error.message if error else ""
    page = {"fields": shown, "problem": problem, "cost": _cost(typed, flavors)}
    return Page("create.html", "Create an instance", page, error.status if error else 200)


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
