"""What was measured of an instance's nodes, as Cloud Eye tells it."""

from collections.abc import Sequence

from shardhouse.console.visit import Visit
from shardhouse.domain.metrics import NAMESPACE

Points = list[tuple[int, float]]
"""Seconds since 1970, and the value then."""


def values(
    visit: Visit, wanted: Sequence[tuple[str, str]], times: tuple[int, int], period: int
) -> list[Points]:
    """The values of metrics of nodes of the path's instance, each `wanted` by a node's id and its
    own, from the first of `times` to the second (seconds since 1970): one for each `period` in
    seconds, or, where that is 1, as they were measured. Raises RefusalError."""
    body = {
        "metrics": [
            {
                "namespace": NAMESPACE,
                "metric_name": metric,
                "dimensions": [
                    {"name": "mongodb_instance_id", "value": visit.instance_id},
                    {"name": "mongodb_node_id", "value": node_id},
                ],
            }
            for node_id, metric in wanted
        ],
        "from": times[0] * 1000,
        "to": times[1] * 1000,
        "period": str(period),
        "filter": "average",
    }
    path = f"V1.0/{visit.client.project_id}/batch-query-metric-data"
    return [
        [(point["timestamp"] // 1000, point["average"]) for point in one["datapoints"]]
        for one in visit.client.iam("POST", path, body)["metrics"]
    ]
