"""Backups: all of a project, one of them, and those of an instance with its policy."""

from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import forms, one_instance, timeline
from shardhouse.console.attempts import attempt
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.backups import (
    CREATE_BACKUP,
    DELETE_BACKUP,
    SHOW_DOWNLOAD_LINKS,
    STOP_BACKUP,
    VERIFY_BACKUP,
)
from shardhouse.contract.policies import SET_BACKUP_POLICY, SHOW_BACKUP_POLICY
from shardhouse.domain.backup import BackupStatus, BackupType

Json = dict[str, Any]
_FILTERS = ("instance_name", "backup_name", "backup_type", "backup_status")
#: What the form begins with where there is no policy.
_POLICY = {"start_time": "01:00-02:00", "period": "1,2,3,4,5,6,7"}
_CAPTURES = "enable_incremental_backup"


def listed(visit: Visit) -> Answer:
    """The table of the project's backups, newest first."""
    filters = {name: visit.query.get(name, "") for name in _FILTERS}
    wanted = {name: value for name, value in filters.items() if value}
    shown = {
        "backups": list(visit.client.backups(**wanted)),
        "filters": filters,
        "types": ["", *BackupType],
        "statuses": ["", *BackupStatus],
    }
    return Page("backups.html", "Backups", shown)


def asked(visit: Visit) -> Answer:
    """The form of a new backup."""
    return _form(visit)


def created(visit: Visit) -> Answer:
    """A backup is begun; the form again, with what is wrong, if it is refused."""
    try:
        body = forms.body_of(CREATE_BACKUP, visit.choices)
        return _job(visit.client.call(CREATE_BACKUP, {}, body, {}))
    except RefusalError as error:
        return _form(visit, error)


def shown(visit: Visit) -> Answer:
    """One backup: its facts, its files, and what can be done with it."""
    found = find(visit, visit.path["backup_id"])
    query = {"instance_id": found["instance_id"], "backup_id": found["id"]}
    complete = found["status"] == BackupStatus.COMPLETED
    files = attempt(
        lambda: visit.client.call(SHOW_DOWNLOAD_LINKS, {}, {}, query)["files"] if complete else [],
        [],
    )
    return Page("backup.html", found["name"], {"backup": found, "files": files})


def deleted(visit: Visit) -> Answer:
    """One backup goes."""
    return _job(visit.client.call(DELETE_BACKUP, _path(visit), {}, {}))


def stopped(visit: Visit) -> Answer:
    """One that is being made is given up."""
    return _job(visit.client.call(STOP_BACKUP, _path(visit), {"action": "stop"}, {}))


def verified(visit: Visit) -> Answer:
    """One is restored aside, to see whether it is sound."""
    return _job(visit.client.call(VERIFY_BACKUP, _path(visit), {}, {}))


def of_instance(visit: Visit) -> Answer:
    """The backups of an instance, to which times they lead, and its policy."""
    found = one_instance.find(visit)
    path = {"instance_id": found["id"]}
    ranges = attempt(lambda: visit.client.restore_times(found["id"]), [])
    policy = attempt(
        lambda: visit.client.call(SHOW_BACKUP_POLICY, path, {}, {})["backup_policy"], {}
    )
    # Whether writes are captured is not sent unless somebody chooses it: `keep_days` 0 forbids it.
    present = {name: str(value) for name, value in policy.found.items() if name != _CAPTURES}
    return one_instance.page(
        "instance_backups.html",
        "backups",
        found,
        backups=list(visit.client.backups(instance_id=found["id"])),
        ranges=ranges,
        drawing=timeline.of(ranges.found),
        newest=ranges.found[-1][1] if ranges.found else 0,
        policy=policy,
        captures=policy.found.get(_CAPTURES, False),
        policy_call=SET_BACKUP_POLICY,
        policy_fields=forms.of_call(SET_BACKUP_POLICY, {}, _POLICY | present),
    )


def find(visit: Visit, backup_id: str) -> Json:
    """A backup of the project. Raises RefusalError 404."""
    found = next(visit.client.backups(backup_id=backup_id), None) if backup_id else None
    if found is None:
        raise RefusalError(404, "", f"There is no backup {backup_id} in this project.")
    return found


def _form(visit: Visit, error: RefusalError | None = None) -> Page:
    own = [(one["id"], one["name"]) for one in visit.client.instances()]
    known = {"instance_id": Field("instance_id", "instance", "choice", True, choices=own)}
    fields = forms.of_call(CREATE_BACKUP, known, {**visit.query, **visit.form})
    return forms.page("Back up an instance", f"{PATH}/backups/new", fields, "Back up", error)


def _path(visit: Visit) -> dict[str, str]:
    return {"backup_id": visit.path["backup_id"]}


def _job(answer: Json) -> Moved:
    return Moved(f"{PATH}/jobs/{answer['job_id']}")
