"""Tags: of an instance, of a project, and instances found by them."""

from typing import Annotated, Any

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Method, Rules, Wire
from shardhouse.contract.fields import LEFT_OUT, Limit, Offset, Text, one_of
from shardhouse.contract.instances import INSTANCE, INSTANCES, Tag
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Status

LIST = "dds:tag:list"
CREATE, DELETE = "create", "delete"
FILTER, COUNT = "filter", "count"
NAME, ID = "instance_name", "instance_id"


class TagsBody(Wire):
    """What to do with which tags."""

    action: Annotated[str, one_of(CREATE, DELETE)]
    tags: Annotated[
        list[Any],
        Rule(rules.sequence),
        Field(
            description="`{key, value}`, at most 20. `create` replaces the value of a key that is "
            "there; `delete` takes tags of the key, and of the value if it is given."
        ),
    ]


class Tags(Wire):
    """Tags in the order they came."""

    tags: list[Tag]


class TagValues(Wire):
    """A key, and all its values."""

    key: str
    values: list[str]


class ProjectTags(Wire):
    """Each key with all its values."""

    tags: list[TagValues]


class Match(Wire):
    """A condition on an instance's own fields: its id, or a part of its name."""

    key: Annotated[str, one_of(NAME, ID)]
    value: Text


class WantedTag(Wire):
    """A key, and the values it may have; any where there are none."""

    key: Annotated[str, Rule(lambda field, value: rules.text(field, value, codes.TAG_KEY_INVALID))]
    values: tuple[str, ...] = ()


class InstancesByTagsBody(Wire):
    """All conditions must hold."""

    action: Annotated[
        str,
        one_of(FILTER, COUNT),
        Field(description="`filter`: a page of instances; `count`: only how many there are."),
    ]
    matches: tuple[Match, ...] = ()
    tags: Annotated[tuple[WantedTag, ...], Field(max_length=20)] = ()
    offset: Offset = 0
    limit: Limit = 100


class TaggedInstance(Wire):
    """An instance and its tags."""

    instance_id: str
    instance_name: str
    tags: list[Tag]


class InstancesByTagsAnswer(Wire):
    """One page, newest first, and how many there are in all; no page for `count`."""

    instances: Annotated[list[TaggedInstance] | None, LEFT_OUT] = None
    total_count: int


BATCH_TAG_ACTION = Call(
    "BatchTagAction",
    Method.POST,
    f"{INSTANCE}/tags/action",
    summary="Add or delete an instance's tags.",
    permission="dds:instance:modify",
    body=TagsBody,
    example={"action": CREATE, "tags": [{"key": "env", "value": "test"}]},
    rules=Rules(statuses=frozenset(Status) - {Status.CREATING}, idle=False),
)
LIST_INSTANCE_TAGS = Call(
    "ListInstanceTags",
    Method.GET,
    f"{INSTANCE}/tags",
    summary="An instance's tags.",
    permission=LIST,
    answer=Tags,
)
LIST_PROJECT_TAGS = Call(
    "ListProjectTags",
    Method.GET,
    "/v3/{project_id}/tags",
    summary="The tags of all instances of a project.",
    permission=LIST,
    answer=ProjectTags,
)
LIST_INSTANCES_BY_TAGS = Call(
    "ListInstancesByTags",
    Method.POST,
    f"{INSTANCES}/action",
    summary="List or count instances by their tags.",
    permission="dds:instance:list",
    body=InstancesByTagsBody,
    example={"action": FILTER, "tags": [{"key": "env", "values": ["test", "ci"]}]},
    answer=InstancesByTagsAnswer,
    reads=True,
)
CALLS = (BATCH_TAG_ACTION, LIST_INSTANCE_TAGS, LIST_PROJECT_TAGS, LIST_INSTANCES_BY_TAGS)
