"""Verifying a backup: it is restored aside, as far as it goes, and nothing of that stays.

All that is stored for it is read, decrypted and compared with its checksums. MongoDB itself, on a
process of its own for each replica set, replays what was written until the backup's moment, and
validates every collection with its indexes. The captured oplog behind the backup is read through as
far as it leads. The instance that was backed up, which may be gone, is not touched.
"""

from collections.abc import Sequence

from bson.timestamp import Timestamp

from shardhouse.backups import positions, slices
from shardhouse.backups.slices import Slice
from shardhouse.errors import StepError
from shardhouse.operations.tasks import recovering
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.store import backups, capture_gaps
from shardhouse.store.capture_gaps import Cause
from shardhouse.workflows import limits, restorable
from shardhouse.workflows.operation import Operation, Run, Step


def unpack(run: Run[Recovery]) -> None:
    """The files lie aside, each with its checksum as it was when it was backed up."""
    recovering.unpack(_aside(run))


def replay(run: Run[Recovery]) -> None:
    """The data is that of the backup's moment."""
    recovering.replay(_aside(run))


def validate(run: Run[Recovery]) -> None:
    """All of it is sound."""
    recovering.verify(_aside(run))


def check_captured(run: Run[Recovery]) -> None:
    """All that was captured since the backup, up to the newest moment that it leads to, can be
    decrypted, and is complete and in order. Where capture itself has lost entries, that is the
    end."""
    context, origin_id = run.context, run.arguments.origin_id
    with context.database.read() as connection:
        backup = backups.load(connection, run.arguments.backup_id)
        gaps = capture_gaps.of_instance(connection, origin_id)
    if backup is None:
        raise StepError(f"The backup {run.arguments.backup_id} was deleted.")
    lost = {(gap.group_id, gap.position) for gap in gaps if gap.cause is Cause.LOST}
    archive = context.archive(origin_id)
    captured = restorable.captured(context, origin_id, [backup])
    names = {group.id: group.name for group in backup.shape}
    told = []
    for group_id, top in sorted(backup.tops.items(), key=lambda item: names[item[0]]):
        pieces, begin = captured.get(group_id, []), positions.parse(top)
        end = slices.end(pieces, begin)
        if _is_torn(pieces, end) and (group_id, positions.text(end)) not in lost:
            raise StepError(
                f"What was captured of {names[group_id]} is not complete: a piece behind "
                f"{_clock(end)} is missing."
            )
        count = slices.check(archive, group_id, begin, end)
        told.append(
            f"{names[group_id]}: {count} captured entries, complete until {_clock(end)}"
            if count
            else f"{names[group_id]}: nothing captured leads on"
        )
        run.report("; ".join(told))


def _is_torn(pieces: Sequence[Slice], end: Timestamp) -> bool:
    """Whether there is a hole behind a position: pieces on both sides. What is older than all
    pieces has been removed as it should be."""
    return any(piece.after > end for piece in pieces) and any(
        piece.after <= end for piece in pieces
    )


def _clock(position: Timestamp) -> str:
    return f"{position.as_datetime():%Y-%m-%d %H:%M:%S} UTC"


def remove(run: Run[Recovery]) -> None:
    """Nothing lies aside any more."""
    recovering.remove_beside(run, run.arguments, run.job.id)


def _aside(run: Run[Recovery]) -> Run[Recovery]:
    """The same, with an instance that has a node for each replica set of the backup."""
    return recovering.beside(run, run.arguments, run.job.id)


VERIFY = Operation(
    "VERIFY_BACKUP",
    "VerifyBackup",
    Recovery,
    (
        Step("Unpack the backup aside, comparing checksums", unpack),
        Step("Replay what was written meanwhile", replay),
        Step("Validate all collections", validate),
        Step("Check what was captured since", check_captured),
        Step("Remove what was unpacked", remove),
    ),
    roll_back=remove,
    limit=limits.copying,
    locks=False,
)
