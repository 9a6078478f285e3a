"""How statuses look."""

import pytest

from shardhouse.console.rendering import look
from shardhouse.domain.alarm import AlarmState
from shardhouse.domain.backup import BackupStatus
from shardhouse.domain.events import Severity
from shardhouse.domain.model import JobStatus, Status, StepStatus

PLAIN = {
    *(Status.DELETED, JobStatus.CANCELED, BackupStatus.DISABLED, AlarmState.NO_DATA),
    Severity.INFO,
}


@pytest.mark.parametrize(
    "word", [*Status, *JobStatus, *StepStatus, *BackupStatus, *AlarmState, *Severity]
)
def test_every_status_has_a_look(word: str) -> None:
    assert (look(word) == "plain") == (word in PLAIN)
    if word.lower().endswith(("fail", "failed")):
        assert look(word) == "bad"
