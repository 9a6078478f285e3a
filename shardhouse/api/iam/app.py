"""The IAM application: all its resources and the error shapes."""

from fastapi import FastAPI

from shardhouse.api import errors, routing
from shardhouse.api.bodies import LargeBodies
from shardhouse.api.iam import catalog, credentials, projects, roles, tokens, users, versions
from shardhouse.iam.service import Iam
from shardhouse.settings import Settings


def create_iam_app(iam: Iam, settings: Settings) -> FastAPI:
    """The ASGI application for the IAM port. `settings` gives region and public addresses."""
    app = FastAPI(
        title="Shardhouse IAM",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.iam = iam
    app.state.settings = settings
    resources = (versions, tokens, catalog, projects, users, credentials, roles)
    routing.install(app, [resource.router for resource in resources])
    app.add_middleware(LargeBodies)
    errors.install(app, "iam")
    return app
