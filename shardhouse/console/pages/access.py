"""Who may do what: projects, users, roles and access keys of IAM, as far as the person may see and
change them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shardhouse.client.api import segment
from shardhouse.client.errors import RefusalError
from shardhouse.console.attempts import Attempt, attempt
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit

Json = dict[str, Any]
_HERE = f"{PATH}/access"
_KEYS = "v3.0/OS-CREDENTIAL/credentials"


def shown(visit: Visit) -> Answer:
    """All of it; of another user's keys where the query names him."""
    return _page(visit)


def key_created(visit: Visit) -> Answer:
    """A new access key, with its secret: this is the only page that ever shows it."""
    wish = {
        "user_id": visit.form.get("key_user", ""),
        "description": visit.form.get("key_description", ""),
    }
    try:
        made = visit.client.iam("POST", _KEYS, {"credential": wish})["credential"]
    except RefusalError as error:
        return _page(visit, "keys", error)
    return Page("secret.html", "The new access key", {"key": made})


def key_switched(visit: Visit) -> Answer:
    """An access key is valid from now on, or is not."""
    status = visit.form.get("status", "")
    path = f"{_KEYS}/{segment(visit.path['access_key'])}"
    change = {"credential": {"status": status}}
    return _done(visit, "keys", lambda: visit.client.iam("PUT", path, change), f"It is {status}.")


def key_deleted(visit: Visit) -> Answer:
    """An access key goes."""
    path = f"{_KEYS}/{segment(visit.path['access_key'])}"
    return _done(visit, "keys", lambda: visit.client.iam("DELETE", path), "The key is deleted.")


def user_created(visit: Visit) -> Answer:
    """A new user, who has no role yet."""
    name = visit.form.get("user_name", "")
    wish = {
        "name": name,
        "password": visit.form.get("user_password", ""),
        "description": visit.form.get("user_description", ""),
    }
    made = f"User {name} is made, and has no role yet."
    return _done(visit, "users", lambda: visit.client.iam("POST", "v3/users", {"user": wish}), made)


def user_deleted(visit: Visit) -> Answer:
    """A user goes, with keys, tokens and roles."""
    path = f"v3/users/{segment(visit.path['user_id'])}"
    return _done(visit, "users", lambda: visit.client.iam("DELETE", path), "The user is deleted.")


def password_changed(visit: Visit) -> Answer:
    """The person's own password is another one, and the login has ended with it."""
    wish = {
        "original_password": visit.form.get("original_password", ""),
        "password": visit.form.get("new_password", ""),
    }
    path = f"v3/users/{visit.client.user_id}/password"
    return _done(visit, "you", lambda: visit.client.iam("POST", path, {"user": wish}), "")


def project_created(visit: Visit) -> Answer:
    """A new project."""
    name = visit.form.get("project_name", "")
    wish = {"name": name, "description": visit.form.get("project_description", "")}
    made = f"Project {name} is made."
    return _done(
        visit, "projects", lambda: visit.client.iam("POST", "v3/projects", {"project": wish}), made
    )


def role_granted(visit: Visit) -> Answer:
    """A user has a role from now on."""
    path = _grant(visit)
    return _done(visit, "roles", lambda: visit.client.iam("PUT", path), "The role is assigned.")


def role_revoked(visit: Visit) -> Answer:
    """A user has a role no longer."""
    path = _grant(visit)
    return _done(
        visit, "roles", lambda: visit.client.iam("DELETE", path), "The role is taken away."
    )


def _grant(visit: Visit) -> str:
    """The path of an assignment; its target is `projects/<id>` or `domains/<id>`."""
    kind, _, target = visit.form.get("role_target", "").partition("/")
    user, role = (visit.form.get(f"role_{part}", "") for part in ("user", "name"))
    kind, target, user, role = (segment(one) for one in (kind, target, user, role))
    return f"v3/{kind}/{target}/users/{user}/roles/{role}"


def _done(visit: Visit, section: str, change: Callable[[], object], notice: str) -> Answer:
    """The page after a change; or, with what is wrong in its section, where it is refused."""
    try:
        change()
    except RefusalError as error:
        return _page(visit, section, error)
    return Moved(_HERE, notice)


def _page(visit: Visit, section: str = "", error: RefusalError | None = None) -> Page:
    client = visit.client
    users = attempt(lambda: client.iam("GET", "v3/users")["users"], [])
    assignments = attempt(lambda: client.iam("GET", "v3/role_assignments")["role_assignments"], [])
    roles = attempt(lambda: client.iam("GET", "v3/roles")["roles"], [])
    projects = attempt(lambda: client.projects_of(visit.session.token), [])
    whose = visit.query.get("user_id") or client.user_id
    keys = attempt(lambda: client.iam("GET", _KEYS, params={"user_id": whose})["credentials"], [])
    names = {client.user_id: visit.session.user} | {one["id"]: one["name"] for one in users.found}
    places = {f"projects/{one['id']}": one["name"] for one in projects.found}
    places[f"domains/{client.domain_id}"] = "the domain, and so all its projects"
    shown = {
        "client": client,
        "projects": projects,
        "users": users,
        "keys": keys,
        "whose": (whose, names.get(whose, whose)),
        "assignments": Attempt(
            [_assignment(one, names, places, roles.found) for one in assignments.found],
            assignments.problem,
        ),
        "refused": {section: error.message if error else ""},
        "password_fields": [
            Field("original_password", "Present password", "password", True),
            Field("new_password", "New password", "password", True),
        ],
        "project_fields": _typed(
            visit,
            Field("project_name", "Name", "input", True, "The region, an underscore, and a name."),
            Field("project_description", "Description", "input"),
        ),
        "user_fields": _typed(
            visit,
            Field("user_name", "Name", "input", True),
            Field("user_password", "Password", "password", True),
            Field("user_description", "Description", "input"),
        ),
        "key_fields": [Field("key_description", "Description", "input")],
        "role_fields": _typed(
            visit,
            Field("role_user", "User", "choice", True, choices=list(names.items())),
            Field(
                "role_name",
                "Role",
                "choice",
                True,
                choices=[(one["id"], one["display_name"]) for one in roles.found],
            ),
            Field("role_target", "On", "choice", True, choices=list(places.items())),
        ),
        "roles": roles,
    }
    return Page("access.html", "Access", shown, error.status if error else 200)


def _typed(visit: Visit, *fields: Field) -> list[Field]:
    """The fields of a form as they were sent, but for passwords."""
    return [
        one if one.kind == "password" else replace(one, value=visit.form.get(one.name, ""))
        for one in fields
    ]


def _assignment(
    one: Json, names: dict[str, str], places: dict[str, str], roles: list[Json]
) -> Json:
    """An assignment for people; `fields` are those of the form that takes it away."""
    ((kind, target),) = one["scope"].items()
    user, role = one["user"]["id"], one["role"]["id"]
    place = f"{kind}s/{target['id']}"
    return {
        "user": names.get(user, user),
        "role": next((known["display_name"] for known in roles if known["id"] == role), role),
        "place": places.get(place, place),
        "fields": {"role_user": user, "role_name": role, "role_target": place},
    }
