"""The recycle bin: deleted instances whose data can still be restored."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import Flag, Limit, Offset, integer
from shardhouse.contract.instances import INSTANCES, Datastore

LIST = "dds:instance:list"
MOST_DAYS = 7


class RecyclePolicyBody(Wire):
    """How long what is deleted from now on stays restorable. The bin cannot be switched off."""

    enabled: Annotated[Flag, Field(description="Only true.")]
    retention_period_in_days: Annotated[int, integer(1, MOST_DAYS)] = MOST_DAYS


class RecyclePolicy(Wire):
    """How long deleted instances stay restorable. `enabled` is always true."""

    enabled: bool
    retention_period_in_days: int


class RecyclePolicyAnswer(Wire):
    """The project's policy."""

    recycle_policy: RecyclePolicy


class RecycledQuery(Wire):
    """Which part of the list."""

    offset: Offset = 0
    limit: Limit = 100


class RecycledItem(Wire):
    """A deleted instance. A new one is made of `backup_id` (`restore_point`), until
    `retained_until`. `status` is always `Active`."""

    id: str
    name: str
    mode: str
    datastore: Datastore
    pay_mode: str
    enterprise_project_id: str
    backup_id: str
    created_at: str
    deleted_at: str
    retained_until: str
    status: str


class RecycledAnswer(Wire):
    """One page, the last that was deleted first."""

    instances: list[RecycledItem]
    total_count: int


SHOW_RECYCLE_POLICY = Call(
    "ShowRecyclePolicy",
    Method.GET,
    f"{INSTANCES}/recycle-policy",
    summary="How many days the data of deleted instances stays restorable.",
    permission=LIST,
    answer=RecyclePolicyAnswer,
)
SET_RECYCLE_POLICY = Call(
    "SetRecyclePolicy",
    Method.PUT,
    f"{INSTANCES}/recycle-policy",
    summary="Change how many days that is, for instances that are deleted from now on.",
    permission="dds:instance:setRecyclePolicy",
    body=RecyclePolicyBody,
    wrapper="recycle_policy",
    example={"enabled": True, "retention_period_in_days": 7},
)
LIST_RECYCLED = Call(
    "ListRecycleInstances",
    Method.GET,
    "/v3/{project_id}/recycle-instances",
    summary="Deleted instances that had a backup, which is kept for some days.",
    permission=LIST,
    query=RecycledQuery,
    answer=RecycledAnswer,
)
CALLS = (SHOW_RECYCLE_POLICY, SET_RECYCLE_POLICY, LIST_RECYCLED)
