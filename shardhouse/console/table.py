"""What is shown at which path of the console; a module per noun."""

from collections.abc import Callable

from shardhouse.console.pages import (
    changes,
    creation,
    instances,
    jobs,
    metrics,
    operations,
    slow_queries,
)
from shardhouse.console.visit import Answer, Visit

#: Method, path below `/console`, and what answers. Fixed paths stand before those with ids.
PAGES: tuple[tuple[str, str, Callable[[Visit], Answer]], ...] = (
    ("GET", "", instances.first),
    ("GET", "/instances", instances.listed),
    ("GET", "/instances.csv", instances.exported),
    ("POST", "/instances/together", instances.changed_together),
    ("GET", "/instances/new", creation.asked),
    ("POST", "/instances/new", creation.created),
    ("GET", "/instances/{instance_id}", instances.shown),
    ("GET", "/instances/{instance_id}/connect", instances.connections),
    ("GET", "/instances/{instance_id}/changes", changes.listed),
    ("GET", "/instances/{instance_id}/changes/{operation}", changes.asked),
    ("POST", "/instances/{instance_id}/changes/{operation}", changes.made),
    ("GET", "/instances/{instance_id}/metrics", metrics.shown),
    ("GET", "/instances/{instance_id}/operations", operations.listed),
    ("POST", "/instances/{instance_id}/operations/kill", operations.killed),
    ("GET", "/instances/{instance_id}/operations/rules", operations.rules),
    ("POST", "/instances/{instance_id}/operations/rules", operations.rule_created),
    ("POST", "/instances/{instance_id}/operations/rules/change", operations.rules_changed),
    ("GET", "/instances/{instance_id}/slow-queries", slow_queries.advised),
    ("GET", "/instances/{instance_id}/slow-queries/list", slow_queries.listed),
    ("GET", "/jobs", jobs.listed),
    ("GET", "/jobs/{job_id}", jobs.shown),
)
