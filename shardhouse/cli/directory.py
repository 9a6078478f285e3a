"""Users, projects and roles by name or id."""

from typing import TYPE_CHECKING, Any

from shardhouse.cli.output import CliError

if TYPE_CHECKING:
    from shardhouse.client.api import Client

Entry = dict[str, Any]
KEYS = "v3.0/OS-CREDENTIAL/credentials"
"""Where access keys are."""


def user(client: "Client", name_or_id: str) -> Entry:
    """A user of the domain; oneself may be found without administration. Raises CliError."""
    if name_or_id in (client.user_id, client.credentials.user):
        found: Entry = client.iam("GET", f"v3/users/{client.user_id}")["user"]
        return found
    return _one("user", name_or_id, users(client))


def project(client: "Client", name_or_id: str) -> Entry:
    """A project one may use. Raises CliError."""
    return _one("project", name_or_id, projects(client))


def role(client: "Client", name_or_id: str) -> Entry:
    """A built-in role, also by the name shown to people. Raises CliError."""
    found = roles(client)
    shown = [one["id"] for one in found if one["display_name"] == name_or_id]
    return _one("role", shown[0] if shown else name_or_id, found)


def users(client: "Client") -> list[Entry]:
    """All users of the domain."""
    return list(client.iam("GET", "v3/users")["users"])


def projects(client: "Client") -> list[Entry]:
    """All projects one may use."""
    return list(client.iam("GET", "v3/projects")["projects"])


def roles(client: "Client") -> list[Entry]:
    """The built-in roles."""
    return list(client.iam("GET", "v3/roles")["roles"])


def access_keys(client: "Client", user_id: str) -> list[Entry]:
    """A user's access keys."""
    query = {"user_id": user_id}
    return list(client.iam("GET", KEYS, params=query)["credentials"])


def named(entry: Entry) -> Entry:
    """How programs see to what something was done."""
    return {name: entry[name] for name in ("id", "name")}


def _one(kind: str, name_or_id: str, among: list[Entry]) -> Entry:
    """Names are unique in a domain, so one entry matches at most."""
    for field in ("id", "name"):
        for entry in among:
            if entry[field] == name_or_id:
                return entry
    names = ", ".join(sorted(entry["name"] for entry in among)) or "none"
    raise CliError(f"There is no {kind} of name or id {name_or_id}; there are: {names}")
