"""One real installation for all tests that do not break it; each makes its own instances."""

from collections.abc import Iterator

import pytest

from tests.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running service that the whole session shares."""
    made = Installation(tmp_path_factory.mktemp("shared") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()
