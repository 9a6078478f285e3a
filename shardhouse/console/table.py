"""What is shown at which path of the console; a module per noun."""

from collections.abc import Callable

from shardhouse.console.pages import (
    alarms,
    backups,
    changes,
    creation,
    events,
    instances,
    jobs,
    offers,
    recycle_bin,
    restoring,
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
    ("GET", "/instances/{instance_id}/backups", backups.of_instance),
    ("GET", "/jobs", jobs.listed),
    ("GET", "/jobs/{job_id}", jobs.shown),
    ("GET", "/backups", backups.listed),
    ("GET", "/backups/new", backups.asked),
    ("POST", "/backups/new", backups.created),
    ("GET", "/backups/{backup_id}", backups.shown),
    ("POST", "/backups/{backup_id}/delete", backups.deleted),
    ("POST", "/backups/{backup_id}/stop", backups.stopped),
    ("POST", "/backups/{backup_id}/verify", backups.verified),
    ("GET", "/restore", restoring.asked),
    ("POST", "/restore/new", restoring.to_new),
    ("POST", "/restore/in-place", restoring.in_place),
    ("GET", "/restore/collections", restoring.parts),
    ("POST", "/restore/collections", restoring.parts_restored),
    ("GET", "/events", events.listed),
    ("GET", "/alarms", alarms.listed),
    ("GET", "/alarms/new", alarms.asked),
    ("POST", "/alarms/new", alarms.created),
    ("POST", "/alarms/basic", alarms.basic),
    ("POST", "/alarms/{alarm_id}/switch", alarms.switched),
    ("POST", "/alarms/{alarm_id}/delete", alarms.deleted),
    ("GET", "/recycle-bin", recycle_bin.listed),
    ("POST", "/recycle-bin/policy", recycle_bin.policy_set),
    ("GET", "/quotas", offers.shown),
)
