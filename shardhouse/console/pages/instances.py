"""Instances: all of a project, and what one is."""

import csv
import io
import time
from datetime import UTC, datetime
from typing import Any

from shardhouse.client import uris
from shardhouse.client.errors import ClientError, RefusalError
from shardhouse.console import measured, one_instance, snippets
from shardhouse.console.attempts import attempt
from shardhouse.console.session import PATH
from shardhouse.console.snippets import Snippet
from shardhouse.console.visit import Answer, File, Moved, Page, Visit
from shardhouse.contract.backups import CREATE_BACKUP
from shardhouse.contract.changes import RESTART, SWITCH_PRIMARY
from shardhouse.contract.instances import DELETE_INSTANCE
from shardhouse.domain.model import Role, Status

_FILTERS = ("name", "mode", "status")
_HARMFUL = ("restart", "delete")
#: What an instance can be; the other words are of nodes, and of those that are gone.
_STATUSES = ["", *(one for one in Status if not one.at_work and one is not Status.DELETED)]
_COLUMNS = ("name", "id", "mode", "status", "version", "engine_version", "port", "created")
Json = dict[str, Any]
_BEHIND = (Role.SECONDARY, Role.HIDDEN)
"""Roles of members that follow a primary."""
_AUTHORITY = "ca.pem"
"""The file of the certificate to trust, as code names it."""
_LAG = "mongo026_repl_lag"
_LAG_AGE = 180
"""Seconds after which a lag that was measured says nothing any more."""


def first(_visit: Visit) -> Answer:
    """The way in."""
    return Moved(f"{PATH}/instances")


def listed(visit: Visit) -> Answer:
    """The table of all instances."""
    filters = {name: visit.query.get(name, "") for name in _FILTERS}
    shown = {"instances": _found(visit), "filters": filters, "statuses": _STATUSES}
    return Page("instances.html", "Instances", shown)


def exported(visit: Visit) -> Answer:
    """The same as a file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for one in _found(visit):
        facts = {**one, "version": one["datastore"]["version"]}
        writer.writerow([_cell(str(facts[column])) for column in _COLUMNS])
    return File("instances.csv", text.getvalue())


def changed_together(visit: Visit) -> Answer:
    """The same change of several instances: a refusal of one does not keep the others from it. What
    does harm is asked once more."""
    chosen, action = visit.choices.get("instance", ()), visit.form.get("action", "")
    if chosen and action in _HARMFUL and "sure" not in visit.form:
        names = {one["id"]: one["name"] for one in visit.client.instances()}
        shown = {"action": action, "chosen": [(one, names.get(one, one)) for one in chosen]}
        return Page("instances_sure.html", f"{action.capitalize()} instances", shown)
    problems = []
    for instance_id in chosen:
        try:
            _change(visit, action, instance_id)
        except RefusalError as error:
            problems.append(error.message)
    words = f"Asked for {len(chosen) - len(problems)} of {len(chosen)} instances."
    return Moved(f"{PATH}/instances", words, "\n".join(problems))


def shown(visit: Visit) -> Answer:
    """One instance: its facts and its topology."""
    found = one_instance.find(visit)
    lags = attempt(lambda: _lags(visit, found), {}).found
    return one_instance.page("instance.html", "", found, switch=SWITCH_PRIMARY.operation, lags=lags)


def connections(visit: Visit) -> Answer:
    """How programs reach it."""
    found = one_instance.find(visit)
    authority = _AUTHORITY if found["ssl"] else ""
    strings: list[tuple[str, str]] = []
    code: list[Snippet] = []
    problem = ""
    try:
        plain = uris.address(found)
        tls = f"&tls=true&tlsCAFile={authority}" if authority else ""
        every = [(found["name"], plain), *uris.public_addresses(found)]
        strings = [(name, text + tls) for name, text in every]
        code = snippets.of(plain, authority)
    except ClientError as error:
        problem = error.message
    return one_instance.page(
        "connect.html",
        "connect",
        found,
        strings=strings,
        snippets=code,
        problem=problem,
        authority=authority,
    )


def authority(visit: Visit) -> Answer:
    """The certificate that clients should trust, as a file."""
    text = one_instance.authority(visit, one_instance.find(visit))
    return File(_AUTHORITY, text, "application/x-pem-file")


def _lags(visit: Visit, instance: Json) -> dict[str, tuple[int, float]]:
    """By how many seconds members are behind their primary, by node: when that was measured (in
    milliseconds since 1970), and the lag. Members of which nothing is known are left out."""
    members = [n["id"] for _, n in one_instance.nodes(instance) if n["role"] in _BEHIND]
    if not members:
        return {}
    now = int(time.time())
    wanted = [(member, _LAG) for member in members]
    found = measured.values(visit, wanted, (now - _LAG_AGE, now), 1)
    newest = {member: points[-1] for member, points in zip(members, found, strict=True) if points}
    return {member: (when * 1000, lag) for member, (when, lag) in newest.items()}


def _change(visit: Visit, action: str, instance_id: str) -> None:
    path = {"instance_id": instance_id}
    match action:
        case "restart":
            visit.client.call(RESTART, path, {"target_id": instance_id}, {})
        case "back up":
            # Names of backups are unique in a project.
            name = f"by-hand-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{instance_id[:8]}"
            backup = {"instance_id": instance_id, "name": name}
            visit.client.call(CREATE_BACKUP, {}, {CREATE_BACKUP.wrapper: backup}, {})
        case "delete":
            visit.client.call(DELETE_INSTANCE, path, {}, {})
        case _:
            raise RefusalError(400, "", f"{action} is nothing that can be done with several.")


def _found(visit: Visit) -> list[Json]:
    """The instances that the query's filters leave."""
    name, mode, status = (visit.query.get(one, "") for one in _FILTERS)
    wanted = {"name": f"*{name}" if name else "", "mode": mode}
    filters = {key: value for key, value in wanted.items() if value}
    return [one for one in visit.client.instances(**filters) if status in ("", one["status"])]


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
