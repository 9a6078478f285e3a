"""Times that requests name."""

from datetime import UTC, datetime

import pytest

from shardhouse.domain import rules
from shardhouse.errors import DdsError


@pytest.mark.parametrize("given", ["2026-11-25T10:00:00+0200", "2026-11-25T08:00:00"])
def test_a_time_is_read_as_utc(given: str) -> None:
    found = rules.moment("start_time", given)
    assert (found, found.tzinfo) == (datetime(2026, 11, 25, 8, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "given",
    [
        "yesterday",
        "0001-01-01T00:00:00+0000",
        "0001-01-01T00:00:00+2359",
        "9999-12-31T23:59:59-2300",
    ],
)
def test_what_is_no_time_of_ours_is_refused(given: str) -> None:
    with pytest.raises(DdsError) as caught:
        rules.moment("start_time", given)
    assert caught.value.status == 400
