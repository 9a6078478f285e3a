"""What the DDS application's handlers are given: the installation's parts, on `app.state`."""

from dataclasses import dataclass

from shardhouse.api.dds.json_cache import InstanceJsonCache
from shardhouse.operations.submit import Submit
from shardhouse.settings import Settings
from shardhouse.store.database import Database
from shardhouse.workflows.auditor import Auditor
from shardhouse.workflows.context import Context
from shardhouse.workflows.gateways import Gateways
from shardhouse.workflows.log_exports import LogExports
from shardhouse.workflows.log_forwarder import LogForwarder

ENGINE_HEADER = "X-Shardhouse-Engine-Version"
"""Names the true MongoDB build behind what an answer is about."""


@dataclass(frozen=True)
class Service:
    """The parts of an installation that the DDS API uses."""

    context: Context
    submit: Submit
    json_cache: InstanceJsonCache
    gateways: Gateways
    log_exports: LogExports
    auditor: Auditor
    forwarder: LogForwarder

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        return self.context.settings

    @property
    def database(self) -> Database:
        """The store."""
        return self.context.database
