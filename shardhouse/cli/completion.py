"""What a shell offers for a name: what there is, as the API says at that moment.

Pressing a key must never show an error or wait long: without a service there are no candidates.
"""

import io
import re
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from shardhouse.client.api import Client

SECONDS = 2.0
"""How long an API may take to answer."""
MOST = 100
"""Of instances, backups and jobs: the newest ones, which one request brings."""
_HARMFUL = re.compile(r"[^\w .,:@/+-]")
_JOBS_SINCE = timedelta(days=7)


class Candidate(NamedTuple):
    """Something that a command can be about; `name` is its id where it has no name."""

    id: str
    name: str
    about: str


Found = Callable[["Client", str], Iterable[Candidate]]
Complete = Callable[[typer.Context, str], list[tuple[str, str]]]


def names(find: Found) -> Complete:
    """Offers names, and ids once their beginning is typed."""

    def complete(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        found = _ask(context, find, incomplete)
        shown = {one.name: one.about for one in found}
        if incomplete:
            shown |= {one.id: one.name for one in found}
        return list(shown.items())

    return complete


def ids(find: Found) -> Complete:
    """Offers ids, with names beside them where the shell can show these."""

    def complete(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        found = _ask(context, find, "")
        return [(one.id, f"{one.name} {one.about}".strip()) for one in found]

    return complete


def _ask(context: typer.Context, find: Found, incomplete: str) -> list[Candidate]:
    from shardhouse.cli.client import connect

    # Whatever is wrong, the command itself will say it.
    with (
        suppress(Exception),
        redirect_stderr(io.StringIO()),
        connect(context.params.get("data_dir"), SECONDS) as client,
    ):
        return [_harmless(one) for one in find(client, incomplete)]
    return []


def _harmless(found: Candidate) -> Candidate:
    """The same in characters that no shell takes for more than text, nor Rich, which typer gives
    descriptions to: names are free text of other people. Without its name it is offered by id."""
    name, about = found.name, found.about
    if _HARMFUL.search(name):
        name, about = found.id, f"{name} {about}"
    return Candidate(found.id, name, _HARMFUL.sub("", about))


def instances(client: "Client", incomplete: str) -> Iterable[Candidate]:
    """The project's instances; those that have in their name what is typed, or all for an id."""
    named = _page(client, "instances", name=f"*{incomplete}") if incomplete else []
    for one in named or _page(client, "instances"):
        yield Candidate(one["id"], one["name"], f"{one['mode']}, {one['status']}")


def backups(client: "Client", incomplete: str) -> Iterable[Candidate]:
    """The project's backups; those that have in their name what is typed, or all for an id."""
    named = _page(client, "backups", backup_name=incomplete) if incomplete else []
    for one in named or _page(client, "backups"):
        about = f"{one['instance_name']}, {one['begin_time']}"
        yield Candidate(one["id"], one["name"], about)


def jobs(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """The project's jobs of the last days."""
    from shardhouse.contract.jobs import LIST_JOBS

    now = datetime.now(UTC)
    times = {"start_time": now - _JOBS_SINCE, "end_time": now + timedelta(minutes=1)}
    params = {name: time.strftime("%Y-%m-%dT%H:%M:%S+0000") for name, time in times.items()}
    for one in client.call(LIST_JOBS, {}, {}, params)["jobs"]:
        about = f"{one['name']} {one['instance_name']}, {one['status']}"
        yield Candidate(one["id"], one["id"], about)


def waiting_jobs(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """Jobs that wait for their maintenance window."""
    params = {"job_status": "Pending", "limit": str(MOST)}
    for one in client.dds("GET", "scheduled-jobs", params=params)["schedules"]:
        about = f"{one['job_name']} {one['instance_name']}"
        yield Candidate(one["job_id"], one["job_id"], about)


def templates(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """Parameter templates."""
    for one in client.configurations():
        yield Candidate(one["id"], one["name"], one["datastore_version"])


def users(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """Users of the domain."""
    from shardhouse.cli import directory

    return _described(directory.users(client))


def projects(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """Projects that one may use."""
    from shardhouse.cli import directory

    return _described(directory.projects(client))


def roles(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """Built-in roles."""
    from shardhouse.cli import directory

    return _described(directory.roles(client))


def access_keys(client: "Client", _incomplete: str) -> Iterable[Candidate]:
    """One's own access keys."""
    from shardhouse.cli import directory

    for one in directory.access_keys(client, client.user_id):
        yield Candidate(one["access"], one["access"], one["status"])


#: Ids that calls take, by the ends of their fields' names.
BY_FIELD: dict[str, Found] = {
    "instance_id": instances,
    "backup_id": backups,
    "job_id": jobs,
    "config_id": templates,
    "configuration_id": templates,
}


def _page(client: "Client", what: str, **filters: str) -> list[dict[str, Any]]:
    params = {**filters, "limit": str(MOST)}
    return list(client.dds("GET", what, params=params)[what])


def _described(entries: list[dict[str, Any]]) -> Iterable[Candidate]:
    return [Candidate(one["id"], one["name"], one["description"]) for one in entries]
