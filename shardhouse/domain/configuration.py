"""Parameter templates, and what parameters the parts of an instance have: pure.

The parts are its entities: each shard, the config servers, each router and each read replica of a
cluster by itself; else the instance, and each of its read replicas. What an entity was given is
kept in the instance's document of the kind `KIND`, without defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from uuid import UUID, uuid5

from shardhouse import error_codes as codes
from shardhouse.domain import parameters
from shardhouse.domain.change import Change
from shardhouse.domain.creation import OFFERED, modes
from shardhouse.domain.dialect import Dialect
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Node
from shardhouse.domain.parameters import NodeType, Release
from shardhouse.errors import DdsError, bad_parameter

KIND = "parameters"
QUOTA = 100
"""Templates that a project may have."""
_SYSTEM = UUID("6d0c2c3a-6b8e-4c0f-9a55-5b7c7d0e4f02")
"""What ids of the system's templates are made of."""
_SINCE = datetime(2026, 11, 29, tzinfo=UTC)
"""Since when the table of parameters has these defaults."""
_HUAWEI = frozenset({NodeType.READONLY, NodeType.SHARD_READONLY})


@dataclass(frozen=True)
class Configuration:
    """A parameter template, for nodes of one type and version. `values` has no defaults. Those of
    the system belong to no project."""

    id: str
    project_id: str
    name: str
    description: str
    version: str
    node_type: NodeType
    values: Mapping[str, str]
    created_at: datetime
    updated_at: datetime

    @property
    def user_defined(self) -> bool:
        """Whether it is a project's own."""
        return bool(self.project_id)


def system(version: str, node_type: NodeType) -> Configuration:
    """The system's template of a version and type, which has all defaults."""
    word = "".join(part.capitalize() for part in node_type.split("_"))
    return Configuration(
        id=f"{uuid5(_SYSTEM, f'{version} {node_type}').hex}pr02",
        project_id="",
        name=f"Default-DDS-{version}-{word}",
        description=f"Default parameters of {node_type} nodes of version {version}",
        version=version,
        node_type=node_type,
        values={},
        created_at=_SINCE,
        updated_at=_SINCE,
    )


def systems(versions: Sequence[str], dialect: Dialect) -> tuple[Configuration, ...]:
    """All templates of the system: for each version and each type that is offered."""
    return tuple(
        system(version, node_type)
        for version in versions
        for node_type in NodeType
        if (dialect.all_flavors or node_type not in _HUAWEI)
        and (node_type is not NodeType.SINGLE or Mode.SINGLE in modes(version))
    )


def system_by_id(configuration_id: str) -> Configuration | None:
    """The system's template of an id, of whatever version; None if there is none."""
    return _system_ids().get(configuration_id)


@cache
def _system_ids() -> dict[str, Configuration]:
    found = [system(version, node_type) for version in OFFERED for node_type in NodeType]
    return {one.id: one for one in found}


@dataclass(frozen=True)
class Entity:
    """A part of an instance that has parameters of its own."""

    id: str
    name: str
    node_type: NodeType
    group: Group
    nodes: tuple[Node, ...]


def entities(instance: Instance) -> tuple[Entity, ...]:
    """The parts of an instance that have parameters."""
    found: dict[str, Entity] = {}
    for group in instance.groups:
        for node in group.nodes:
            name, entity_id = _identity(instance, group, node)
            known = found.get(entity_id)
            kind = parameters.node_type(group, node)
            nodes = (*(known.nodes if known else ()), node)
            found[entity_id] = Entity(entity_id, name, kind, group, nodes)
    return tuple(found.values())


def entity(instance: Instance, entity_id: str) -> Entity:
    """One of them. Raises DdsError 400 for an id that names none."""
    parts = entities(instance)
    found = next((one for one in parts if one.id == entity_id), None)
    if found is None:
        known = ", ".join(f"{one.id} ({one.name})" for one in parts)
        raise DdsError(
            codes.ENTITY_NOT_FOUND,
            f"entity_id: {entity_id} has no parameters of its own. Of {instance.name} have: "
            f"{known}.",
        )
    return found


def _identity(instance: Instance, group: Group, node: Node) -> tuple[str, str]:
    """Name and id of the entity that a node belongs to."""
    alone = (NodeType.MONGOS, NodeType.READONLY, NodeType.SHARD_READONLY)
    if parameters.node_type(group, node) in alone:
        return node.name, node.id
    if group.type in (GroupType.SHARD, GroupType.CONFIG):
        return group.name, group.id
    return instance.name, instance.id


@dataclass(frozen=True)
class Assigned:
    """What an entity was given: values, without defaults, and of which template and when."""

    values: Mapping[str, str] = field(default_factory=dict)
    configuration_id: str = ""
    at: datetime | None = None


def assigned(instance: Instance, entity_id: str) -> Assigned:
    """What an entity was given; nothing by default."""
    found = instance.policies.get(KIND, {}).get(entity_id)
    if found is None:
        return Assigned()
    return Assigned(found["values"], found["configuration_id"], datetime.fromisoformat(found["at"]))


def values(instance: Instance, group: Group, node: Node, release: Release) -> dict[str, str]:
    """The values that a node's process is started with, without defaults, and without parameters
    that its release does not have."""
    _, entity_id = _identity(instance, group, node)
    kind = parameters.node_type(group, node)
    return {
        name: value
        for name, value in assigned(instance, entity_id).values.items()
        if name in parameters.BY_NAME and parameters.BY_NAME[name].exists(kind, release)
    }


def assigning(instance: Instance, given: Mapping[str, Assigned]) -> Change:
    """The change that gives entities what they are to have; those that are gone are forgotten."""
    present = {one.id for one in entities(instance)}
    document = {
        entity_id: kept
        for entity_id, kept in instance.policies.get(KIND, {}).items()
        if entity_id in present
    }
    for entity_id, one in given.items():
        assert one.at is not None
        document[entity_id] = {
            "values": dict(one.values),
            "configuration_id": one.configuration_id,
            "at": one.at.isoformat(),
        }
    return Change(policies={KIND: document or None})


def first(instance: Instance, chosen: Mapping[GroupType, Configuration]) -> Change:
    """The change that gives a new instance's entities the templates of their types. Raises DdsError
    400 for a template that is not for them."""
    given: dict[str, Assigned] = {}
    for kind, template in chosen.items():
        fitting = [one for one in applicable(instance, template) if one.node_type is NodeType(kind)]
        if not fitting:
            raise bad_parameter(
                "configurations[].configuration_id",
                f"a template for {kind} of version {instance.version} is required, and "
                f"{template.name} is for {template.node_type} of {template.version}",
            )
        for one in fitting:
            given[one.id] = Assigned(template.values, template.id, instance.created_at)
    return assigning(instance, given) if given else Change()


def inherited(instance: Instance, added: Sequence[Group]) -> Change:
    """The change that gives new entities what the first of their type has; a read replica has it
    from others of its set. `added` are groups with the new nodes alone."""
    present = entities(instance)
    known = {one.id for one in present}
    grown = replace(instance, groups=(*instance.groups, *added))
    given: dict[str, Assigned] = {}
    for one in entities(grown):
        alike = [
            other
            for other in present
            if other.node_type is one.node_type
            and (one.node_type is not NodeType.SHARD_READONLY or other.group.id == one.group.id)
        ]
        if one.id not in known and alike and (found := assigned(instance, alike[0].id)).at:
            given[one.id] = found
    return assigning(grown, given) if given else Change()


def uses(instance: Instance, configuration_id: str) -> list[Entity]:
    """The entities of an instance that a template is applied to."""
    return [
        one
        for one in entities(instance)
        if assigned(instance, one.id).configuration_id == configuration_id
    ]


def applicable(instance: Instance, configuration: Configuration) -> list[Entity]:
    """The entities of an instance that a template is for."""
    if instance.version != configuration.version:
        return []
    return [one for one in entities(instance) if one.node_type is configuration.node_type]
