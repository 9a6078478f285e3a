"""The application of the services beside DDS, and the way to it on the IAM port."""

import re

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from shardhouse.api import errors, routing
from shardhouse.api.bodies import LargeBodies
from shardhouse.api.neighbours import enterprise_projects, log_groups, nova, shapes
from shardhouse.api.neighbours.cloud_eye import alarm_histories, alarms, alarms_v2, events
from shardhouse.api.neighbours.cloud_eye import metrics as cloud_eye_metrics
from shardhouse.api.neighbours.neutron import (
    floating_ips,
    networks,
    ports,
    routers,
    security_groups,
    versions,
)
from shardhouse.api.neighbours.neutron import subnets as neutron_subnets
from shardhouse.api.neighbours.vpc import (
    bandwidths,
    public_ips,
    subnets,
    tags,
    vpcs,
    vpcs_v3,
)
from shardhouse.api.neighbours.vpc import security_groups as vpc_security_groups
from shardhouse.iam.service import Iam
from shardhouse.nodes.local.addresses import NodeNetwork
from shardhouse.settings import Settings
from shardhouse.store.database import Database
from shardhouse.store.metric_ring import MetricRing

#: How paths of these services begin. IAM has no such paths.
PATHS = re.compile(r"/(v1|v1\.0|V1\.0|v2|v2\.0|v2\.1|network)(/|\Z)|/v3/[0-9a-f]{32}/vpc(/|\Z)")
#: Neutron's clients look for versions at the address in the catalog, and `/` is Keystone's; some
#: look for VPC v1 there as well. So all of both is there a second time.
NETWORK = "/network"
NETWORK_RESOURCES = (
    vpcs,
    subnets,
    public_ips,
    bandwidths,
    vpc_security_groups,
    networks,
    neutron_subnets,
    routers,
    ports,
    security_groups,
    floating_ips,
    tags,
)
RESOURCES = (
    nova,
    enterprise_projects,
    log_groups,
    cloud_eye_metrics,
    alarms,
    alarms_v2,
    alarm_histories,
    events,
    versions,
    vpcs_v3,
    *NETWORK_RESOURCES,
)


def create_neighbours_app(
    iam: Iam, settings: Settings, database: Database, pool: NodeNetwork, metrics: MetricRing
) -> FastAPI:
    """The ASGI application. `pool` has the addresses of public IPs."""
    app = FastAPI(
        title="Shardhouse neighbours",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.iam = iam
    app.state.settings = settings
    app.state.database = database
    app.state.pool = pool
    app.state.metrics = metrics
    routing.install(app, [resource.router for resource in RESOURCES])
    for resource in NETWORK_RESOURCES:
        app.include_router(resource.router, prefix=NETWORK)
    app.add_middleware(LargeBodies)
    errors.install(app, "iam", shapes.body)
    return app


class Beside:
    """IAM's application, and that of its neighbours at paths which IAM does not have."""

    def __init__(self, iam: ASGIApp, neighbours: ASGIApp) -> None:
        self._iam = iam
        self._neighbours = neighbours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        app = self._neighbours if PATHS.match(scope.get("path", "")) else self._iam
        await app(scope, receive, send)
