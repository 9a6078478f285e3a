"""Projects of their own on the shared installation."""

from collections.abc import Callable

import pytest

from tests.api.neighbours.projects import Project
from tests.installation import Installation


@pytest.fixture(scope="module")
def new_project(installation: Installation) -> Callable[[], Project]:
    return lambda: Project(installation)


@pytest.fixture(scope="module")
def project(new_project: Callable[[], Project]) -> Project:
    """One for the tests of a file."""
    return new_project()
