"""What is decided for all of a project, by kind: documents as JSON."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from shardhouse.store.tables import PROJECT_POLICIES

DOWNLOADS = "backup_downloads"
RECYCLING = "recycling"


def load(connection: Connection, project_id: str, kind: str) -> Mapping[str, Any] | None:
    """A project's document of a kind; None if nothing was decided."""
    found: Mapping[str, Any] | None = connection.execute(
        select(PROJECT_POLICIES.c.document).where(*_which(project_id, kind))
    ).scalar_one_or_none()
    return found


def keep(connection: Connection, project_id: str, kind: str, document: Mapping[str, Any]) -> None:
    """Replace a project's document of a kind."""
    connection.execute(delete(PROJECT_POLICIES).where(*_which(project_id, kind)))
    connection.execute(
        insert(PROJECT_POLICIES).values(project_id=project_id, kind=kind, document=dict(document))
    )


def _which(project_id: str, kind: str) -> tuple[Any, Any]:
    return PROJECT_POLICIES.c.project_id == project_id, PROJECT_POLICIES.c.kind == kind
