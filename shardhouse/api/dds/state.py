"""What the DDS application's handlers are given: the installation's parts, on `app.state`."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from shardhouse.api.authentication import dds_body
from shardhouse.api.dds.rendered import Rendered
from shardhouse.settings import Settings
from shardhouse.store.database import Database
from shardhouse.workflows.requests import Requests


@dataclass(frozen=True)
class Service:
    """The parts of an installation that the DDS API uses."""

    settings: Settings
    database: Database
    requests: Requests
    rendered: Rendered


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


Given = Annotated[Service, Depends(_service)]
Body = Annotated[dict[str, Any], Depends(dds_body)]

ENGINE_HEADER = "X-Shardhouse-Engine-Version"
"""Names the true MongoDB build behind what an answer is about."""
