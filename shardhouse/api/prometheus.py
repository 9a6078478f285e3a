"""`/metrics` of `serve` for Prometheus, on a port of its own: the newest values of all nodes, and
what the service itself does. It names instances and nodes; it holds no user, no secret and nothing
of any data."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Source

from shardhouse.domain.metrics import METRICS, Values
from shardhouse.domain.model import Group, Instance, Node, Status
from shardhouse.errors import SettingsError
from shardhouse.settings import Settings
from shardhouse.store import instances, jobs
from shardhouse.store.database import Database
from shardhouse.workflows.collector import Collector, Measured

_PLACE = ("project_id", "instance_id", "instance_name", "node_id", "node_name")


def serve(
    settings: Settings, database: Database, collector: Collector, latencies: Histogram
) -> Callable[[], None]:
    """Answer scrapes from threads of their own, if the settings say where; returns what ends that.
    Raises SettingsError if the port cannot be had."""
    if settings.metrics_port is None:
        return lambda: None
    registry = CollectorRegistry()
    registry.register(_Page(database, collector))
    registry.register(latencies)
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        raise SettingsError(
            f"Cannot answer Prometheus on {settings.metrics_host}:{settings.metrics_port}: "
            f"{error.strerror}. Choose another metrics_port, or none."
        ) from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


class _Page(Source):
    def __init__(self, database: Database, collector: Collector) -> None:
        self._database = database
        self._collector = collector

    def describe(self) -> Iterable[Metric]:
        """The names depend on nothing that the registry must know in advance."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All metrics as they are now."""
        with self._database.read() as connection:
            living = instances.live(connection, frozenset(Status) - {Status.DELETED})
            counted = jobs.count_by_status(connection)
        yield from families(living, counted, self._collector.latest())


def families(
    living: list[Instance], counted: dict[str, int], latest: dict[str, Measured]
) -> Iterator[Metric]:
    """Every family with its values."""
    number = GaugeMetricFamily(
        "shardhouse_instances", "Instances by mode and status", labels=("mode", "status")
    )
    for (mode, status), count in Counter((one.mode, one.status) for one in living).items():
        number.add_metric([mode, status], count)
    yield number
    known = GaugeMetricFamily(
        "shardhouse_jobs", "Jobs of the last month by status", labels=("status",)
    )
    for job_status, count in counted.items():
        known.add_metric([job_status], count)
    yield known
    nodes = [(i, g, n) for i in living for g in i.groups for n in g.nodes]
    normal = GaugeMetricFamily(
        "shardhouse_node_normal",
        "1 if the node answers in its role",
        labels=(*_PLACE, "group_type", "role"),
    )
    for instance, group, node in nodes:
        labels = [*_labels(instance, node), group.type, node.role]
        normal.add_metric(labels, node.status is Status.NORMAL)
    yield normal
    yield from _measured(nodes, latest)


def _measured(
    nodes: list[tuple[Instance, Group, Node]], latest: dict[str, Measured]
) -> Iterator[Metric]:
    """A family for each metric. What is summed over routers is left to Prometheus."""
    found: list[tuple[list[str], Values]] = []
    for instance, _group, node in nodes:
        if measured := latest.get(node.id):
            labels = _labels(instance, node)
            found += [(labels, measured.values), ([*labels[:3], "", ""], measured.whole)]
    for metric in METRICS:
        values = [(labels, own[metric.id]) for labels, own in found if metric.id in own]
        if values:
            text = f"{metric.name} ({metric.unit})"
            family = GaugeMetricFamily(f"shardhouse_dds_{metric.id}", text, labels=_PLACE)
            for labels, value in values:
                family.add_metric(labels, value)
            yield family


def _labels(instance: Instance, node: Node) -> list[str]:
    return [instance.project_id, instance.id, instance.name, node.id, node.name]
