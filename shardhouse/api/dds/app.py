"""The DDS application."""

from fastapi import FastAPI

from shardhouse.api import errors
from shardhouse.api.dds import instances, jobs, offers, versions
from shardhouse.api.dds.state import Service
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
    for module in (instances, jobs, offers, versions):
        app.include_router(module.router)
    errors.install(app, "dds")
    return app
