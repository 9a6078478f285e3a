"""Changes of an instance: every call of the contract that changes it, as a form."""

from collections.abc import Iterator
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import forms, one_instance
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.call import Call, Method
from shardhouse.contract.offers import LIST_FLAVORS
from shardhouse.contract.table import NOUNS
from shardhouse.domain.model import Mode

Json = dict[str, Any]
_FLAVORS = frozenset({"spec_code", "target_spec_code"})
_TARGETS = frozenset({"instance_id", "node_id", "project_id"})
#: Calls that have pages of their own, or whose answer is the point.
_ELSEWHERE = frozenset(
    {
        *("Accounts", "Advice", "Audit logs", "Backups", "Configurations"),
        *("Kill rules", "Logs", "Sessions"),
    }
)


def listed(visit: Visit) -> Answer:
    """What can be changed, and what not now."""
    found = one_instance.find(visit)
    groups = [
        (noun, [(call, one_instance.why_not(found, call)) for call in calls])
        for noun, calls in _offered(found)
    ]
    return one_instance.page("changes.html", "changes", found, groups=groups)


def asked(visit: Visit) -> Answer:
    """The form of a change."""
    found = one_instance.find(visit)
    return _form(visit, found, _call(visit, found))


def made(visit: Visit) -> Answer:
    """The change is asked for; the form again, with what is wrong, if it is refused."""
    found = one_instance.find(visit)
    call = _call(visit, found)
    path = {"instance_id": found["id"]} | {
        name: visit.form.get(name, "") for name in call.path_parameters if name == "node_id"
    }
    try:
        answer = visit.client.call(call, path, forms.body_of(call, visit.choices), {})
    except RefusalError as error:
        return _form(visit, found, call, error)
    if "job_id" in answer:
        return Moved(f"{PATH}/jobs/{answer['job_id']}")
    return Moved(f"{PATH}/instances/{found['id']}", f"Accepted: {call.summary}")


def _offered(instance: Json) -> Iterator[tuple[str, list[Call]]]:
    """The calls that change an instance of this mode, by noun."""
    for noun, calls in NOUNS.items():
        offered = [
            call
            for call in calls
            if noun not in _ELSEWHERE
            and not call.only_reads
            and "instance_id" in call.path_parameters
            and set(call.path_parameters) <= _TARGETS
            and one_instance.exists_for(instance, call)
        ]
        if offered:
            yield noun, offered


def _call(visit: Visit, instance: Json) -> Call:
    """The call that the path names. Raises RefusalError 404."""
    wanted = visit.path["operation"]
    for _, calls in _offered(instance):
        for call in calls:
            if call.operation == wanted:
                return call
    raise RefusalError(404, "", f"{wanted} is no change of this instance.")


def _form(visit: Visit, instance: Json, call: Call, error: RefusalError | None = None) -> Page:
    known = _known(instance) | _flavors(visit, instance, call)
    fields = [known[part] for part in call.path_parameters if part == "node_id"]
    # Of parts that the instance does not have, none can be chosen.
    fields += [
        one
        for one in forms.of_call(call, known, {**visit.query, **visit.form}, visit.choices)
        if not one.kind.startswith("choice") or any(value for value, _ in one.choices)
    ]
    dangerous = call.method is Method.DELETE
    return forms.page(
        call.summary.removesuffix(".").replace("`", ""),
        f"{PATH}/instances/{instance['id']}/changes/{call.operation}",
        fields,
        "Do it for good" if dangerous else "Do it",
        error,
        template="change.html",
        problem=error.message if error else one_instance.why_not(instance, call),
        dangerous=dangerous,
        instance=instance,
    )


def _known(instance: Json) -> dict[str, Field]:
    """Fields whose values the instance knows: its parts, by name."""
    nodes = [
        (node["id"], f"{node['name']} ({node['role']})") for _, node in one_instance.nodes(instance)
    ]
    groups = [
        (group["id"], group.get("name") or group["type"])
        for group in instance["groups"]
        if group.get("id")
    ]
    whole = [(instance["id"], "the whole instance")]
    types = [(kind, kind) for kind in dict.fromkeys(g["type"] for g in instance["groups"])]
    sharded = instance["mode"] == Mode.SHARDING
    return {
        "node_id": Field("node_id", "node", "choice", True, choices=nodes),
        "target_id": Field(
            "target_id",
            "target",
            "choice",
            choices=[*whole, *(groups if sharded else []), *nodes],
        ),
        "target_type": Field(
            "target_type",
            "type of the target",
            "choice",
            help="Of a part of a cluster.",
            choices=[("", "the whole instance"), *(types if sharded else [])],
        ),
        "group_id": Field("group_id", "group", "choice", choices=[("", ""), *groups]),
        "node_list": Field("node_list", "nodes", "choices", value=(), choices=nodes),
        "node_ids": Field("node_ids", "nodes", "choices", value=(), choices=nodes),
        "target_ids": Field("target_ids", "shards", "choices", value=(), choices=groups),
        "ids": Field("ids", "shards", "choices", value=(), choices=groups),
    }


def _flavors(visit: Visit, instance: Json, call: Call) -> dict[str, Field]:
    """The fields that want a flavor, of nodes like those the instance has; they are asked for only
    where the call has one."""
    wanted = _FLAVORS.intersection(call.body.model_fields)
    if not wanted:
        return {}
    kinds = {_kind(node["spec_code"]) for _, node in one_instance.nodes(instance)}
    flavors = visit.client.call(LIST_FLAVORS, {}, {}, {"region": instance["region"]})["flavors"]
    choices = [
        (one["spec_code"], f"{one['spec_code']}: {one['vcpus']} CPU, {one['ram']} GB")
        for one in flavors
        if _kind(one["spec_code"]) in kinds
    ]
    return {name: Field(name, "flavor", "choice", True, choices=choices) for name in wanted}


def _kind(spec_code: str) -> str:
    """What kind of node a flavor is for: the end of its code."""
    return spec_code.rpartition(".")[2]
