"""Database users and roles of an instance."""

from dataclasses import replace
from itertools import zip_longest
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import forms, one_instance
from shardhouse.console.forms import Field
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.accounts import (
    CREATE_ROLE,
    CREATE_USER,
    DELETE_ROLE,
    DELETE_USER,
)
from shardhouse.contract.call import Call, Method
from shardhouse.contract.passwords import RESET_PASSWORD

Json = dict[str, Any]
ROLES = ("read", "readWrite", "dbAdmin", "dbOwner", "userAdmin")
"""Offered to whom types; others can be named as well."""
PAIRS = 3
"""Roles that can be given at first; a button adds as many."""
_LABELS = {"user_name": "Name", "role_name": "Name", "user_pwd": "Password", "db_name": "Database"}
#: By the last part of the form's path.
_CALLS = {
    "user": CREATE_USER,
    "role": CREATE_ROLE,
    "password": RESET_PASSWORD,
    "delete-user": DELETE_USER,
    "delete-role": DELETE_ROLE,
}


def listed(visit: Visit) -> Answer:
    """All users, and the roles that are not built in."""
    found = one_instance.find(visit)
    try:
        users, problem = list(visit.client.users(found["id"])), ""
        roles = list(visit.client.roles(found["id"]))
    except RefusalError as error:
        users, roles, problem = [], [], error.message
    return one_instance.page(
        "users.html", "users", found, pause=10, users=users, roles=roles, problem=problem
    )


def asked(visit: Visit) -> Answer:
    """The form of a change; the query may name the user or role."""
    return _form(visit, PAIRS)


def made(visit: Visit) -> Answer:
    """A user or role is made, changed or deleted; the form again if it is refused, or if more roles
    are wanted."""
    call = _call(visit)
    typed = len(visit.choices.get("role", ()))
    if "more" in visit.form:
        return _form(visit, typed + PAIRS)
    body = forms.body_of(call, visit.choices) | (
        {"roles": _roles(visit)} if call in (CREATE_USER, CREATE_ROLE) else {}
    )
    try:
        visit.client.call(call, {"instance_id": visit.instance_id}, body, {})
    except RefusalError as error:
        page = _form(visit, max(typed, PAIRS), error.message)
        return replace(page, status=error.status)
    return Moved(f"{PATH}/instances/{visit.instance_id}/users", f"Accepted: {call.summary}")


def _form(visit: Visit, pairs: int, problem: str = "") -> Page:
    found = one_instance.find(visit)
    call = _call(visit)
    typed = {**visit.query, **visit.form}
    databases = visit.choices.get("role_database", ())
    roles = visit.choices.get("role", ())
    rows = list(zip_longest(databases, roles, fillvalue=""))[:pairs]
    rows += [("", "")] * (pairs - len(rows))
    fields = [one for one in forms.of_call(call, {}, typed) if one.name != "roles"]
    return one_instance.page(
        "user.html",
        "users",
        found,
        call=call,
        what=visit.path["what"],
        fields=[_kept(call, one) for one in fields],
        pairs=rows if call in (CREATE_USER, CREATE_ROLE) else [],
        offered=ROLES,
        problem=problem,
        dangerous=call.method is Method.DELETE,
    )


def _kept(call: Call, field: Field) -> Field:
    """A field as it is asked for: which user is known already where it is not a new one."""
    field = replace(field, label=_LABELS[field.name])
    known = field.value and call not in (CREATE_USER, CREATE_ROLE)
    return replace(field, readonly=True, help="") if known else field


def _roles(visit: Visit) -> list[Json]:
    """The roles that were named; a role without a database is one of the user's own."""
    own = visit.form.get("db_name") or "admin"
    pairs = zip_longest(
        visit.choices.get("role_database", ()), visit.choices.get("role", ()), fillvalue=""
    )
    return [
        {"role_db_name": database or own, "role_name": role} for database, role in pairs if role
    ]


def _call(visit: Visit) -> Call:
    """Raises RefusalError 404 where the path names no change."""
    what = visit.path["what"]
    if what not in _CALLS:
        raise RefusalError(404, "", f"There is no form {what}.")
    return _CALLS[what]
