"""Does a set of granted privileges cover a needed one? Pure.

The matching rules are the server's: `{db: '', coll: ''}` means every ordinary collection outside
`local` and `config`; a database's privilege covers its ordinary collections, never `system.*`;
`{system_buckets: ''}` means the buckets of every time series; `{anyResource: true}` covers all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Resource(NamedTuple):
    """A collection, a database (`collection` empty), or the cluster (`database` None)."""

    database: str | None
    collection: str = ""


CLUSTER = Resource(None)
ANY_NORMAL = Resource("", "")
_BUCKETS = "system.buckets."


class Need(NamedTuple):
    """One action on one resource."""

    resource: Resource
    action: str


class Alternatives(NamedTuple):
    """Several sets of needs, one of which must be met."""

    choices: tuple[tuple[Need, ...], ...]


class Provided(NamedTuple):
    """Needs that count only for who is allowed `condition`."""

    condition: Need
    needs: tuple[Need, ...]


class AnythingIn(NamedTuple):
    """Any action at all on anything in a database."""

    database: str


Requirement = Need | Alternatives | Provided | AnythingIn


class Privileges:
    """What a user may do, from its `inheritedPrivileges`."""

    def __init__(self, granted: Iterable[Mapping[str, Any]]) -> None:
        self._any: set[str] = set()
        self._by_resource: dict[Resource, set[str]] = {}
        for privilege in granted:
            actions = set(privilege["actions"])
            resource = privilege["resource"]
            if resource.get("anyResource"):
                self._any |= actions
            elif resource.get("cluster"):
                self._by_resource.setdefault(CLUSTER, set()).update(actions)
            elif "db" in resource and "collection" in resource:
                key = Resource(resource["db"], resource["collection"])
                self._by_resource.setdefault(key, set()).update(actions)
            elif "system_buckets" in resource:
                key = Resource(resource.get("db", ""), f"{_BUCKETS}{resource['system_buckets']}")
                self._by_resource.setdefault(key, set()).update(actions)

    def allow(self, requirement: Requirement) -> bool:
        """Whether the requirement is met."""
        if isinstance(requirement, Alternatives):
            return any(all(map(self._covers, choice)) for choice in requirement.choices)
        if isinstance(requirement, Provided):
            return not self._covers(requirement.condition) or all(
                map(self._covers, requirement.needs)
            )
        if isinstance(requirement, AnythingIn):
            return self.any_in_database(requirement.database)
        return self._covers(requirement)

    def any_on_collection(self, resource: Resource) -> bool:
        """Whether at least one action on this collection is granted."""
        return bool(self._any) or any(self._by_resource.get(r) for r in _covering(resource))

    def any_in_database(self, name: str) -> bool:
        """Whether anything at all is granted in this database, as `listDatabases` asks."""
        if self._any:
            return True
        normal = name not in ("local", "config")
        return any(
            key.database == name or (key.database == "" and (normal or key.collection != ""))
            for key, actions in self._by_resource.items()
            if actions
        )

    def _covers(self, need: Need) -> bool:
        resource, action = need
        if action in self._any:
            return True
        return any(action in self._by_resource.get(r, ()) for r in _covering(resource))


class Unrestricted(Privileges):
    """Everyone's without access control: all."""

    def __init__(self) -> None:
        super().__init__(())

    def allow(self, requirement: Requirement) -> bool:
        """Yes."""
        return True

    def any_on_collection(self, resource: Resource) -> bool:
        """Yes."""
        return True

    def any_in_database(self, name: str) -> bool:
        """Yes."""
        return True


def _covering(resource: Resource) -> list[Resource]:
    """The granted resources that include a needed one, itself among them."""
    database, collection = resource
    if database is None or resource == ANY_NORMAL:
        return [resource]
    found = [resource]
    if collection == "":
        if database not in ("local", "config"):
            found.append(ANY_NORMAL)
        return found
    found.append(Resource("", collection))
    if collection.startswith(_BUCKETS):
        found += [Resource(database, _BUCKETS), Resource("", _BUCKETS)]
    if not collection.startswith("system."):
        found.append(Resource(database, ""))
        if database not in ("local", "config"):
            found.append(ANY_NORMAL)
    return found
