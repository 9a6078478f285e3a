"""To which times an instance can be restored, what it had then, and restoring parts of that."""

import datetime
from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, JobId, Method, Wire
from shardhouse.contract.fields import Limit, Offset, Text
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules

_PERMISSION = "dds:backup:getRestoreTimeList"
MOST_RESTORED = 100
RestoreTimestamp = Annotated[
    int, Rule(rules.milliseconds), Field(description="Milliseconds since 1970.")
]


class RestoreTimesQuery(Wire):
    """Of which day."""

    date: Annotated[
        datetime.date | None,
        Rule(rules.day),
        Field(description="A day, `yyyy-mm-dd`, UTC; without it all times are listed."),
    ] = None


class RestoreTime(Wire):
    """Times in milliseconds since 1970, both included."""

    start_time: int
    end_time: int


class RestoreTimesAnswer(Wire):
    """Ranges of times, oldest first. None before the first full backup, or where backups have a
    gap."""

    restore_time: list[RestoreTime]


class RestoreDatabasesQuery(Wire):
    """At which time; one of those that the instance can be restored to."""

    restore_time: RestoreTimestamp
    offset: Offset = 0
    limit: Limit = 100


class RestoreCollectionsQuery(RestoreDatabasesQuery):
    """And of which database."""

    db_name: Text


class RestoreDatabasesAnswer(Wire):
    """One page, in the order of names."""

    databases: list[str]
    total_count: int


class RestoreCollectionsAnswer(Wire):
    """One page, in the order of names; views are among them."""

    collections: list[str]
    total_count: int


class RestoredCollection(Wire):
    """A collection or view as it was at a time. It gets `new_name`, which nothing may have yet, or
    replaces what has its name now."""

    old_name: Annotated[str, Rule(rules.collection_name)]
    new_name: Annotated[str, Rule(rules.collection_name)] = ""
    restore_collection_time: RestoreTimestamp


class RestoredDatabase(Wire):
    """Some collections of a database, or with `restore_database_time` all that it had then. What it
    has got since then is not touched."""

    database: Text
    restore_database_time: Annotated[
        int | None,
        Rule(rules.milliseconds),
        Field(description="Milliseconds since 1970; instead of `collections`."),
    ] = None
    collections: list[RestoredCollection] = Field(default_factory=list)


class RestoreCollectionsBody(Wire):
    """What is restored into the instance itself."""

    restore_collections: Annotated[
        list[RestoredDatabase],
        Rule(lambda field, value: rules.few(field, value, MOST_RESTORED)),
        Field(description=f"1 to {MOST_RESTORED} of them."),
    ]


LIST_RESTORE_TIMES = Call(
    "ListRestoreTimes",
    Method.GET,
    f"{INSTANCE}/restore-time",
    summary="To which times an instance can be restored.",
    permission=_PERMISSION,
    query=RestoreTimesQuery,
    answer=RestoreTimesAnswer,
)
LIST_RESTORE_DATABASES = Call(
    "ListRestoreDatabases",
    Method.GET,
    f"{INSTANCE}/restore-database",
    summary="Which databases an instance had at a time.",
    permission=_PERMISSION,
    query=RestoreDatabasesQuery,
    answer=RestoreDatabasesAnswer,
)
LIST_RESTORE_COLLECTIONS = Call(
    "ListRestoreCollections",
    Method.GET,
    f"{INSTANCE}/restore-collection",
    summary="Which collections a database had at a time.",
    permission=_PERMISSION,
    query=RestoreCollectionsQuery,
    answer=RestoreCollectionsAnswer,
)
RESTORE_COLLECTIONS = Call(
    "RestoreInstanceFromCollection",
    Method.POST,
    f"{INSTANCE}/restore/collections",
    summary="Restore databases or collections as they were at a time, while the instance serves.",
    permission="dds:instance:recovery",
    body=RestoreCollectionsBody,
    example={
        "restore_collections": [
            {"database": "shop", "restore_database_time": "1769904000000"},
            {
                "database": "blog",
                "collections": [
                    {
                        "old_name": "posts",
                        "new_name": "posts_before",
                        "restore_collection_time": "1769904000000",
                    }
                ],
            },
        ]
    },
    answer=JobId,
)
CALLS = (
    LIST_RESTORE_TIMES,
    LIST_RESTORE_DATABASES,
    LIST_RESTORE_COLLECTIONS,
    RESTORE_COLLECTIONS,
)
