"""How statuses and texts look."""

import pytest

from shardhouse.console.rendering import look, words
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


def test_code_in_texts_is_code_and_nothing_else_is() -> None:
    assert words("Of `rw<b>`, or <i>.") == "Of <code>rw&lt;b&gt;</code>, or &lt;i&gt;."
