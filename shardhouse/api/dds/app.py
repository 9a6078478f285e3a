"""The DDS application."""

from fastapi import FastAPI

from shardhouse.api import endpoint, errors, routing
from shardhouse.api.bodies import LargeBodies
from shardhouse.api.dds import documentation
from shardhouse.api.dds.state import Service
from shardhouse.api.dds.table import ENDPOINTS
from shardhouse.iam.service import Iam


def create_dds_app(service: Service, iam: Iam) -> FastAPI:
    """All routes over one installation."""
    app = FastAPI(
        title="Shardhouse DDS",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.iam = iam
    routing.install(app, [documentation.router(), endpoint.router(ENDPOINTS)])
    app.add_middleware(LargeBodies)
    errors.install(app, "dds")
    return app
