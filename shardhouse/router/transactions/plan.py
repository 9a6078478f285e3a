"""How to commit: as few messages as the participants' writes allow. Pure.

Source: MongoDB's documentation of transactions on sharded clusters. Two-phase commit is needed only
where more than one shard wrote; readers that are asked before a single writer prove that the
snapshot still held everywhere.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class CommitKind(enum.Enum):
    """The ways to commit, under the names `serverStatus` counts them by."""

    NO_SHARDS = "noShards"
    SINGLE_SHARD = "singleShard"
    READ_ONLY = "readOnly"
    SINGLE_WRITE_SHARD = "singleWriteShard"
    TWO_PHASE = "twoPhaseCommit"
    RECOVER = "recoverWithToken"


@dataclass(frozen=True, slots=True)
class CommitPlan:
    """`rounds` of shards told to commit, each round after the one before succeeded; or a
    `coordinator` which does it with the `members`, or merely tells the outcome if there are none.
    """

    kind: CommitKind
    rounds: tuple[tuple[str, ...], ...] = ()
    coordinator: str | None = None
    members: tuple[str, ...] = ()


def plan(participants: Mapping[str, bool | None]) -> CommitPlan:
    """The plan for shards in the order they joined; who has not said it only read, wrote."""
    everyone = tuple(participants)
    writers = tuple(shard for shard, read_only in participants.items() if read_only is not True)
    if not everyone:
        return CommitPlan(CommitKind.NO_SHARDS)
    if len(everyone) == 1:
        return CommitPlan(CommitKind.SINGLE_SHARD, (everyone,))
    if not writers:
        return CommitPlan(CommitKind.READ_ONLY, (everyone,))
    if len(writers) == 1:
        readers = tuple(shard for shard in everyone if shard not in writers)
        return CommitPlan(CommitKind.SINGLE_WRITE_SHARD, (readers, writers))
    return CommitPlan(CommitKind.TWO_PHASE, coordinator=everyone[0], members=everyone)


def recovery(shard: str) -> CommitPlan:
    """Ask the shard a recovery token names what came of the transaction."""
    return CommitPlan(CommitKind.RECOVER, coordinator=shard)
