"""What may go: a report on all full backups of an instance and its slices. Pure.

The policy's days are a promise: every moment since then can be restored. So the newest automatic
backup from before stays as well, with all slices behind it. Backups that a client asked for stay
until the client deletes them, and keep no slices longer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bson.timestamp import Timestamp

from shardhouse.backups.ranges import Full
from shardhouse.backups.slices import Slice


class Verdict(StrEnum):
    """Why a full backup stays, or that it need not."""

    MANUAL = "manual"
    RECENT = "recent"
    #: Older than the policy's days, but moments within them are restored from it.
    NEEDED = "needed"
    OBSOLETE = "obsolete"


@dataclass(frozen=True)
class Report:
    """A verdict on each full backup, by id, and the slices that nothing needs, by group id."""

    verdicts: Mapping[str, Verdict]
    slices: Mapping[str, tuple[Slice, ...]]

    @property
    def obsolete(self) -> list[str]:
        """Ids of the full backups that may go."""
        return [id for id, verdict in self.verdicts.items() if verdict is Verdict.OBSOLETE]


def report(
    fulls: Sequence[Full],
    archived: Mapping[str, Sequence[Slice]],
    keep_days: int,
    now: datetime,
    *,
    incremental: bool = True,
) -> Report:
    """What may go, of all completed full backups of an instance and its slices by group id.
    `keep_days` of 0 says that the policy is off: then no backup goes by itself, and no slice that
    leads on from one. Without `incremental` backups all slices may go."""
    horizon = Timestamp(now - timedelta(days=keep_days) if keep_days else 0, 0)
    recent = [full for full in fulls if full.consistent_at >= horizon]
    older = [full for full in fulls if full.consistent_at < horizon]
    automatic = [full for full in older if full.automatic]
    newest = max(automatic or older, key=lambda full: full.consistent_at, default=None)
    holding = [*recent, newest] if newest else recent
    verdicts = {}
    for full in fulls:
        if not full.automatic:
            verdicts[full.id] = Verdict.MANUAL
        elif full in recent:
            verdicts[full.id] = Verdict.RECENT
        else:
            verdicts[full.id] = Verdict.NEEDED if full is newest else Verdict.OBSOLETE
    return Report(
        verdicts,
        {
            group: _behind(pieces, group, holding) if incremental else tuple(pieces)
            for group, pieces in archived.items()
        },
    )


def _behind(pieces: Sequence[Slice], group: str, holding: Sequence[Full]) -> tuple[Slice, ...]:
    """The slices that hold nothing behind the tops of the backups that hold slices."""
    tops = [full.tops[group] for full in holding if group in full.tops]
    return tuple(piece for piece in pieces if not tops or piece.last <= min(tops))
