"""Starts the jobs that wait for their instance's maintenance window.

One thread. A job whose instance is busy when the window opens starts as soon as it is idle, and
waits for the next window where that does not happen in time.
"""

import structlog

from shardhouse.domain import schedule
from shardhouse.domain.model import Job
from shardhouse.store import instances, jobs
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.engine import Workflows
from shardhouse.workflows.periodic import Periodic

INTERVAL = 5.0
"""Seconds between two looks."""
log = structlog.get_logger()


class Scheduler(Periodic):
    """Turns pending jobs into running ones when their time has come."""

    def __init__(self, context: Context, workflows: Workflows) -> None:
        super().__init__("scheduler", INTERVAL, self._begin_due)
        self._context = context
        self._workflows = workflows

    def _begin_due(self) -> None:
        moment = now()
        with self._context.database.read() as connection:
            waiting = jobs.pending(connection)
            owners = instances.load_all(connection, [job.instance_id for job in waiting])
        windows = {instance.id: instance.maintenance_window for instance in owners}
        for job in [job for job in waiting if job.instance_id in windows]:
            opens = schedule.opens(windows[job.instance_id], moment)
            if opens == moment:
                self._begin(job)
            elif opens != job.start_at:  # the window has passed, or is another one now
                with self._context.database.write() as connection:
                    jobs.postpone(connection, job.id, opens)

    def _begin(self, job: Job) -> None:
        with self._context.database.write() as connection:
            begun = jobs.begin(connection, job)
        if begun:
            log.info("scheduled job starts", job=job.id, instance=job.instance_id)
            self._workflows.start(job)
