"""When an automatic backup is due. Pure.

The policy names days of the week and a window of an hour, UTC. A backup begins when the window
opens; one that was missed, because nothing ran or it failed, is made up for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.model import BackupStrategy

_DAYS_OF_THE_WEEK = 7
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def due(
    strategy: BackupStrategy, backups: Sequence[Backup], since: datetime, now: datetime
) -> bool:
    """Whether a backup should begin now. `backups` are all of the instance, oldest first; one is
    needed that began at `since` or later: since then the policy is as it is, or the continuous
    capture of changes has a gap."""
    if strategy.keep_days == 0 or any(one.status is BackupStatus.BUILDING for one in backups):
        return False
    if now < _pause_end(backups):
        return False
    good = [one for one in backups if one.status is BackupStatus.COMPLETED]
    if not any(one.begin_time >= since for one in good):
        return True
    automatic = [one.begin_time for one in good if one.type is BackupType.AUTO]
    opened = last_opening(strategy, now)
    return opened > since and not any(begin >= opened for begin in automatic)


def last_opening(strategy: BackupStrategy, now: datetime) -> datetime:
    """When the window opened last."""
    start = time.fromisoformat(strategy.start_time.partition("-")[0])
    days = {int(day) for day in strategy.period.split(",")} if strategy.period else set()
    for back in range(_DAYS_OF_THE_WEEK + 1):
        day = now.date() - timedelta(days=back)
        opening = datetime.combine(day, start, now.tzinfo)
        if opening <= now and (not days or opening.isoweekday() in days):
            return opening
    raise AssertionError("every week has each of its days")


def _pause_end(backups: Sequence[Backup]) -> datetime:
    """Until when no backup begins after the newest ones failed: pauses of 1, 4, 16 minutes, then an
    hour each."""
    end = _LONG_AGO
    failures = 0
    for backup in backups:
        if backup.type is BackupType.MANUAL:
            continue
        if backup.status is not BackupStatus.FAILED:
            end, failures = _LONG_AGO, 0
            continue
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 4**failures)
        end = (backup.end_time or backup.begin_time) + pause
        failures += 1
    return end
