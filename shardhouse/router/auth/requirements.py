"""What each command needs: from a client's command to privileges. Pure.

One function per kind of command; the command table says which applies. Each row was compared with
a 6.0.5 server, which accepted exactly these actions and refused with any one of them missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth import pipelines
from shardhouse.router.auth.privileges import (
    ANY_NORMAL,
    CLUSTER,
    Alternatives,
    AnythingIn,
    Need,
    Provided,
    Requirement,
    Resource,
)
from shardhouse.router.command import Command, check_database
from shardhouse.router.errors import CommandError, bad_value, missing_field
from shardhouse.router.wire import raw

Rule = Callable[[Command], Iterable[Requirement]]


def nothing(_: Command) -> Iterable[Requirement]:
    """Anyone who may run the command at all."""
    return ()


def cluster(*actions: str) -> Rule:
    """Actions on the cluster."""
    found = [Need(CLUSTER, action) for action in actions]
    return lambda _: found


def on_collection(*actions: str) -> Rule:
    """Actions on the collection the command names."""
    return lambda command: [Need(_named(command), action) for action in actions]


def on_database(*actions: str) -> Rule:
    """Actions on the command's database."""
    return lambda command: [Need(Resource(command.db), action) for action in actions]


def on_argument(*actions: str) -> Rule:
    """Actions on the collection given as a whole namespace."""
    return lambda command: [
        Need(Resource(*command.namespace_argument()), action) for action in actions
    ]


def on_named_database(*actions: str) -> Rule:
    """Actions on the database given as the command's value."""
    return lambda command: [Need(Resource(str(command.value)), action) for action in actions]


def on_settings(*actions: str) -> Rule:
    """Actions on `config.settings`, where the balancer's switch is."""
    return lambda _: [Need(Resource("config", "settings"), action) for action in actions]


def zone(*needed: tuple[str, str]) -> Rule:
    """Zones: actions on collections of `config`, or enableSharding on the cluster."""
    apart = tuple(Need(Resource("config", collection), action) for collection, action in needed)
    found = [Alternatives(((Need(CLUSTER, "enableSharding"),), apart))]
    return lambda _: found


def validate_metadata(command: Command) -> Iterator[Requirement]:
    """validateDBMetadata: validate, on what it names."""
    database, collection = command.get("db", str), command.get("collection", str, "")
    yield Need(Resource(database, collection) if database else ANY_NORMAL, "validate")


def profile(command: Command) -> Iterator[Requirement]:
    """profile: reading the setting needs less than changing it."""
    if command.value == -1 and "slowms" not in command.body and "sampleRate" not in command.body:
        reading = Need(Resource(command.db, "system.profile"), "find")
        yield Alternatives(((reading,), (Need(Resource(command.db), "enableProfiler"),)))
    else:
        yield Need(Resource(command.db), "enableProfiler")


def map_reduce(command: Command) -> Iterator[Requirement]:
    """mapReduce: find on its source, and writing its result."""
    yield Need(_named(command), "find")
    mode, target = map_reduce_target(command)
    if target is None:
        return
    yield Need(target, "insert")
    yield Need(target, "remove" if mode == "replace" else "update")
    if command.body.get("bypassDocumentValidation"):
        yield Need(target, "bypassDocumentValidation")


def map_reduce_target(command: Command) -> tuple[str, Resource | None]:
    """How (`replace`, `merge`, `reduce`) and where a mapReduce writes; None: it replies."""
    out = command.body.get("out")
    if isinstance(out, str):
        return "replace", Resource(command.db, out)
    if not isinstance(out, RawBSONDocument):
        raise CommandError(13606, "'out' has to be a string or an object")
    options = raw.shallow(bytes(out.raw))
    if "inline" in options:
        return "inline", None
    modes = options.keys() & {"replace", "merge", "reduce"}
    if len(modes) != 1:
        raise CommandError(13522, "exactly one of replace, merge, reduce or inline is needed")
    mode = modes.pop()
    database, name = options.get("db", command.db), options[mode]
    if not isinstance(name, str) or not isinstance(database, str):
        raise CommandError(13606, "'out' names a collection by a text")
    check_database(database)
    return mode, Resource(database, name)


def _named(command: Command) -> Resource:
    return Resource(command.db, command.collection)


def insert(command: Command) -> Iterator[Requirement]:
    """insert."""
    yield from _writes(command, {"insert"})


def update(command: Command) -> Iterator[Requirement]:
    """update, with insert if any statement may insert."""
    actions = {"update"}
    for statement in command.documents("updates"):
        if raw.fields(statement).keys() & {"upsert"} and raw.shallow(statement)["upsert"]:
            actions.add("insert")
    yield from _writes(command, actions)


def delete(command: Command) -> Iterator[Requirement]:
    """delete."""
    yield from _writes(command, {"remove"})


def find_and_modify(command: Command) -> Iterator[Requirement]:
    """findAndModify: find, and what it does."""
    actions = {"find"}
    if command.body.get("remove"):
        actions.add("remove")
    else:
        actions.add("update")
        if command.body.get("upsert"):
            actions.add("insert")
    yield from _writes(command, actions)


def _writes(command: Command, actions: set[str]) -> Iterator[Requirement]:
    resource = _named(command)
    if resource.database == "admin" and resource.collection in _SERVERS_OWN:
        raise CommandError(13, f"not authorized on admin to execute command {command.name}")
    if command.body.get("bypassDocumentValidation"):
        actions.add("bypassDocumentValidation")
    for action in sorted(actions):
        yield Need(resource, action)


_SERVERS_OWN = frozenset({"system.users", "system.roles", "system.keys", "system.version"})
"""Collections of `admin` which are changed by their own commands only."""


def aggregate(command: Command) -> Iterator[Requirement]:
    """aggregate: all its pipeline reads and writes."""
    collection = "" if command.value in (1, 1.0) else command.collection
    bypass = bool(command.body.get("bypassDocumentValidation"))
    return pipelines.needs(command.db, collection, command.body.get("pipeline"), bypass=bypass)


def explain(rules: Callable[[str], Rule | None]) -> Rule:
    """explain: what the command inside needs."""

    def needs(command: Command) -> Iterable[Requirement]:
        inner = explained(command)
        rule = rules(inner.name)
        if rule is None:
            raise CommandError(59, f"Explain failed due to unknown command: {inner.name}")
        return rule(inner)

    return needs


def explained(command: Command) -> Command:
    """The command inside an explain."""
    if not isinstance(command.value, RawBSONDocument):
        raise CommandError(14, "BSON field 'explain.explain' is the wrong type, expected 'object'")
    content = bytes(command.value.raw)
    raw.fields(content)
    body = raw.shallow(content)
    name = next(iter(body), "")
    return Command(name, command.db, body)


def create(command: Command) -> Iterator[Requirement]:
    """create: createCollection or insert; a view needs the former."""
    resource = _named(command)
    if "viewOn" in command.body:
        yield Need(resource, "createCollection")
    else:
        yield Alternatives(((Need(resource, "createCollection"),), (Need(resource, "insert"),)))
    yield from _view(command)


def coll_mod(command: Command) -> Iterator[Requirement]:
    """collMod."""
    yield Need(_named(command), "collMod")
    yield from _view(command)


def _view(command: Command) -> Iterator[Requirement]:
    """Who may read the view must be allowed to read what it shows."""
    source = command.get("viewOn", str)
    if source is not None:
        shown = pipelines.needs(command.db, source, command.body.get("pipeline", []))
        reading = tuple(need for need in shown if isinstance(need, Need))
        yield Provided(Need(_named(command), "find"), reading)


def rename(command: Command) -> Iterator[Requirement]:
    """renameCollection."""
    source = Resource(*command.namespace_argument())
    to = command.get("to", str)
    if to is None:
        raise missing_field("renameCollection.to")
    database, _, collection = to.partition(".")
    check_database(database)
    target = Resource(database, collection)
    apart = (
        Need(source, "find"),
        Need(source, "dropCollection"),
        Need(target, "insert"),
        Need(target, "createIndex"),
        *((Need(target, "dropCollection"),) if command.body.get("dropTarget") else ()),
    )
    within = (Need(Resource(database), "renameCollectionSameDB"),)
    special = source.collection.startswith("system.") or collection.startswith("system.")
    if source.database == database and not special:
        yield Alternatives((within, apart))
    else:
        yield from apart


def list_collections(command: Command) -> Iterator[Requirement]:
    """listCollections; who asks for names of what it may use needs to have anything to use."""
    if command.body.get("nameOnly") and command.body.get("authorizedCollections"):
        yield AnythingIn(command.db)
    else:
        yield Need(Resource(command.db), "listCollections")


def create_user(command: Command) -> Iterator[Requirement]:
    """createUser: and granting each of its roles."""
    yield Need(Resource(command.db), "createUser")
    yield from _roles(command, "grantRole")
    if "authenticationRestrictions" in command.body:
        yield Need(Resource(command.db), "setAuthenticationRestriction")


def update_user(command: Command) -> Iterator[Requirement]:
    """updateUser, of someone else (one's own password is a matter of the handler)."""
    database = Resource(command.db)
    if "pwd" in command.body or "mechanisms" in command.body:
        yield Need(database, "changePassword")
    if "customData" in command.body:
        yield Need(database, "changeCustomData")
    if "roles" in command.body:
        yield Need(ANY_NORMAL, "revokeRole")
        yield from _roles(command, "grantRole")
    if "authenticationRestrictions" in command.body:
        yield Need(database, "setAuthenticationRestriction")


def create_role(command: Command) -> Iterator[Requirement]:
    """createRole: and granting what it holds."""
    yield Need(Resource(command.db), "createRole")
    yield from _roles(command, "grantRole")
    yield from _privileges(command, "grantRole")
    if "authenticationRestrictions" in command.body:
        yield Need(Resource(command.db), "setAuthenticationRestriction")


def update_role(command: Command) -> Iterator[Requirement]:
    """updateRole: granting what it shall hold, taking what it held."""
    yield Need(ANY_NORMAL, "revokeRole")
    yield from _roles(command, "grantRole")
    yield from _privileges(command, "grantRole")
    if "authenticationRestrictions" in command.body:
        yield Need(Resource(command.db), "setAuthenticationRestriction")


def roles(action: str) -> Rule:
    """grantRoles..., revokeRoles...: the action on each role's database."""
    return lambda command: _roles(command, action)


def role_privileges(action: str) -> Rule:
    """grantPrivilegesToRole, revokePrivilegesFromRole: the action where each privilege applies."""
    return lambda command: _privileges(command, action)


def _roles(command: Command, action: str) -> Iterator[Requirement]:
    for role in command.get("roles", list, []):
        database = command.db
        if isinstance(role, RawBSONDocument):
            database = str(raw.shallow(bytes(role.raw)).get("db", ""))
        elif not isinstance(role, str):
            raise bad_value("a role is a name or {role, db}")
        yield Need(Resource(database), action)


def _privileges(command: Command, action: str) -> Iterator[Requirement]:
    for content in command.documents("privileges") if "privileges" in command.body else ():
        resource = raw.deep(content).get("resource")
        if not isinstance(resource, dict):
            raise bad_value("a privilege is {resource, actions}")
        database = resource.get("db", "")
        if not isinstance(database, str):
            raise bad_value("a resource names its database by a text")
        # What reaches beyond one database is granted on `admin`, as the server does.
        yield Need(Resource(database) if database else Resource("admin"), action)


def asked(value: Any, name_field: str, db: str) -> list[tuple[str | None, str | None]]:
    """Which users or roles are asked for, as `(database, name)`; None stands for all."""
    if isinstance(value, list):
        return [one for item in value for one in asked(item, name_field, db)]
    if isinstance(value, str):
        return [(db, value)]
    if isinstance(value, RawBSONDocument):
        content = raw.deep(value)
        if content.get("forAllDBs"):
            return [(None, None)]
        return [(str(content.get("db", db)), str(content.get(name_field)))]
    return [(db, None)]
