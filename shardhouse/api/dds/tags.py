"""Tags: of an instance, of a project, and instances found by them."""

from shardhouse.api.dds import wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.tags import (
    COUNT,
    ID,
    NAME,
    InstancesByTagsAnswer,
    InstancesByTagsBody,
    ProjectTags,
    TaggedInstance,
    Tags,
    TagValues,
)
from shardhouse.errors import bad_parameter
from shardhouse.store import instances
from shardhouse.store.instances import Filter


def list_of_instance(request: Request[Nothing, Nothing]) -> Tags:
    """An instance's tags."""
    return Tags(tags=wire.tags(request.instance()))


def list_of_project(request: Request[Nothing, Nothing]) -> ProjectTags:
    """Each key of the project's tags with all its values."""
    with request.service.database.read() as connection:
        found = instances.tags(connection, request.project_id)
    return ProjectTags(tags=[TagValues(key=key, values=values) for key, values in found.items()])


def list_instances(request: Request[Nothing, InstancesByTagsBody]) -> InstancesByTagsAnswer:
    """Instances that have the tags, or how many they are."""
    body = request.body
    matches = {match.key: match.value for match in body.matches}
    if len(matches) < len(body.matches):
        raise bad_parameter("matches", "each key may come once")
    wanted = Filter(
        id=matches.get(ID, ""),
        name_contains=matches.get(NAME, ""),
        any_tags=tuple((tag.key, tag.values) for tag in body.tags),
    )
    with request.service.database.read() as connection:
        heads, total = instances.search(
            connection, request.project_id, wanted, body.offset, body.limit
        )
        if body.action == COUNT:
            return InstancesByTagsAnswer(total_count=total)
        found = {one.id: one for one in instances.load_all(connection, [head.id for head in heads])}
    items = [
        TaggedInstance(
            instance_id=head.id,
            instance_name=found[head.id].name,
            tags=wire.tags(found[head.id]),
        )
        for head in heads
    ]
    return InstancesByTagsAnswer(instances=items, total_count=total)
