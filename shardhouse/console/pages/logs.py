"""Logs of an instance's nodes: warnings and errors, files to keep, and what is audited."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import forms, one_instance
from shardhouse.console.forms import Field
from shardhouse.console.pages.slow_queries import HOURS, PAGE, hours_of, lines_body
from shardhouse.console.rendering import api_time
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract import audit, logs
from shardhouse.contract.audit import (
    DELETE_AUDIT_LOGS,
    LIST_AUDIT_LINKS,
    LIST_AUDIT_LOGS,
    SET_AUDIT_POLICY,
    SHOW_AUDIT_POLICY,
)
from shardhouse.contract.call import Call
from shardhouse.contract.logs import DOWNLOAD_ERRORS, DOWNLOAD_SLOW, LIST_ERROR_LINES
from shardhouse.contract.policies import SHOW_MASKING, SWITCH_MASKING
from shardhouse.domain.audit import ALL, AuditType

Json = dict[str, Any]
_DOWNLOADS: Mapping[str, Call] = {"errors": DOWNLOAD_ERRORS, "slow": DOWNLOAD_SLOW}


def listed(visit: Visit) -> Answer:
    """Warnings and errors, the newest first, by what they are."""
    found = one_instance.find(visit)
    hours = hours_of(visit)
    filters = {name: visit.query.get(name, "") for name in ("node", "severity", "words", "behind")}
    body = lines_body(hours, filters["node"], filters["words"], filters["behind"])
    body["severity"] = filters["severity"]
    try:
        answer = visit.client.call(LIST_ERROR_LINES, _path(visit), body, {})
        lines, problem = answer["error_logs"], ""
    except RefusalError as error:
        lines, problem = [], error.message
    return one_instance.page(
        "logs.html",
        "logs",
        found,
        pause=60,
        hours=hours,
        choices=HOURS,
        filters=filters,
        levels=[level.capitalize() for level in logs.LEVELS],
        nodes=[node for _, node in one_instance.nodes(found)],
        problem=problem,
        lines=lines,
        more={**filters, "hours": hours, "behind": lines[-1]["line_num"]}
        if len(lines) == PAGE
        else None,
        masking=visit.client.call(SHOW_MASKING, _path(visit), {}, {})["status"],
    )


def masked(visit: Visit) -> Answer:
    """Values in logs are masked from now on, or are not."""
    path = _path(visit) | {"status": visit.form.get("status", "")}
    visit.client.call(SWITCH_MASKING, path, {}, {})
    return Moved(_place(visit), f"Masking of values: {path['status']}.")


def files(visit: Visit) -> Answer:
    """Files that are made, or were, and links to them."""
    found = one_instance.find(visit)
    kind, names = visit.query.get("kind", ""), visit.query.get("names", "")
    made: Json = {"list": [], "status": ""}
    if names:
        body = {"file_name_list": names.split(",")}
        made = visit.client.call(_download(kind), _path(visit), body, {})
    return one_instance.page(
        "log_files.html", "logs", found, kinds=list(_DOWNLOADS), kind=kind, made=made
    )


def files_asked(visit: Visit) -> Answer:
    """Files are made of the nodes' logs as they are now."""
    kind = visit.form.get("kind", "")
    made = visit.client.call(_download(kind), _path(visit), {}, {})["list"]
    names = ",".join(one["file_name"] for one in made)
    return Moved(f"{_place(visit)}/files?kind={kind}&names={names}")


def audited(visit: Visit) -> Answer:
    """What is audited, and the files."""
    return _audited(visit)


def audit_changed(visit: Visit) -> Answer:
    """Something else is audited; the form again, with what is wrong, if it is refused."""
    body = forms.body_of(SET_AUDIT_POLICY, visit.choices)
    try:
        visit.client.call(SET_AUDIT_POLICY, _path(visit), body, {})
    except RefusalError as error:
        return _audited(visit, error)
    return Moved(f"{_place(visit)}/audit", "The policy is changed.")


def audit_file(visit: Visit) -> Answer:
    """To a link at which one file of the audit log is."""
    body = {"ids": [visit.path["file_id"]]}
    (link,) = visit.client.call(LIST_AUDIT_LINKS, _path(visit), body, {})["links"]
    return Moved(link)


def audit_deleted(visit: Visit) -> Answer:
    """Files of the audit log are deleted."""
    body = {"file_names": list(visit.choices.get("file", ()))}
    try:
        job = visit.client.call(DELETE_AUDIT_LOGS, _path(visit), body, {})
    except RefusalError as error:
        return _audited(visit, error)
    return Moved(f"{PATH}/jobs/{job['job_id']}")


def _audited(visit: Visit, error: RefusalError | None = None) -> Page:
    found = one_instance.find(visit)
    policy = visit.client.call(SHOW_AUDIT_POLICY, _path(visit), {}, {})
    now = datetime.now(UTC) + timedelta(minutes=1)
    params = {
        "start_time": api_time(now - timedelta(days=audit.MOST_DAYS)),
        "end_time": api_time(now),
    }
    listed = visit.client.call(LIST_AUDIT_LOGS, _path(visit), {}, params)
    page = one_instance.page(
        "audit.html",
        "logs",
        found,
        policy=policy,
        fields=_policy_fields(visit, policy),
        files=listed["audit_logs"],
        total=listed["total_record"],
        total_size=listed["total_size"],
        days=audit.MOST_DAYS,
        names={node["id"]: node["name"] for _, node in one_instance.nodes(found)},
        problem=error.message if error else "",
    )
    return replace(page, status=error.status) if error else page


def _policy_fields(visit: Visit, policy: Json) -> list[Field]:
    now = {
        "keep_days": str(policy["keep_days"]),
        "audit_scope": policy.get("audit_scope", ALL),
    }
    asked = {one.name: one for one in forms.of_call(SET_AUDIT_POLICY, {}, now | dict(visit.form))}
    chosen = visit.choices.get("audit_types") or policy.get("audit_types", list(AuditType))
    known = {
        "audit_types": replace(
            asked["audit_types"],
            kind="choices",
            value=tuple(chosen),
            choices=[(one, one) for one in AuditType],
        ),
        "reserve_auditlogs": replace(
            asked["reserve_auditlogs"],
            kind="choice",
            choices=[("true", "files stay"), ("false", "files are deleted")],
        ),
    }
    return [known.get(name, one) for name, one in asked.items()]


def _download(kind: str) -> Call:
    """Raises RefusalError 400 for what no files are made of."""
    if kind not in _DOWNLOADS:
        raise RefusalError(400, "", f"There are no files of {kind or 'nothing'}.")
    return _DOWNLOADS[kind]


def _path(visit: Visit) -> dict[str, str]:
    return {"instance_id": visit.instance_id}


def _place(visit: Visit) -> str:
    return f"{PATH}/instances/{visit.instance_id}/logs"
