"""What data is restored from: a backup, or how an instance was at a time."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Wire
from shardhouse.contract.fields import one_of
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules

BY_BACKUP, BY_TIME = "backup", "timestamp"


class Source(Wire):
    """What to restore: a backup, or how an instance was at a time."""

    instance_id: str = ""
    type: Annotated[str, one_of(BY_BACKUP, BY_TIME)] = BY_BACKUP
    backup_id: str = ""
    restore_time: Annotated[
        int | None,
        Rule(rules.milliseconds),
        Field(description="Milliseconds since 1970; for `timestamp`."),
    ] = None
