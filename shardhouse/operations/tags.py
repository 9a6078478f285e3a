"""Tags of an instance."""

from shardhouse import error_codes as codes
from shardhouse.contract.tags import BATCH_TAG_ACTION, DELETE, TagsBody
from shardhouse.domain import rules
from shardhouse.domain.change import Change
from shardhouse.domain.dialect import DIALECTS
from shardhouse.errors import bad_parameter
from shardhouse.workflows.operation import Asked, Edit


def plan(asked: Asked[TagsBody]) -> Change:
    """The tags as they will be. Raises DdsError 400 for tags that break a rule, and where there
    would be more than 20."""
    given = dict(rules.tags(asked.body.tags, DIALECTS[asked.settings.dialect]))
    tags = dict(asked.instance.tags)
    if asked.body.action == DELETE:
        of_any_value = {str(item["key"]).strip() for item in asked.body.tags if "value" not in item}
        gone = [
            key for key, value in given.items() if key in of_any_value or tags.get(key) == value
        ]
        return Change(tags=tuple(tag for tag in tags.items() if tag[0] not in gone))
    tags |= given
    if len(tags) > rules.MAX_TAGS:
        raise bad_parameter(
            "tags",
            f"an instance has at most {rules.MAX_TAGS}, and would have {len(tags)}",
            codes.TOO_MANY_TAGS,
        )
    return Change(tags=tuple(tags.items()))


TAGS = Edit(BATCH_TAG_ACTION, plan)
