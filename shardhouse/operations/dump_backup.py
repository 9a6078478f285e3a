"""A dump of a backup: its data is recovered aside, and written as mongodump would write it.

Of a cluster it is read through a router of the recovered cluster, so each document is there once.
The instance that was backed up, which may be gone, is not touched.
"""

import time

from shardhouse.backups import dumping
from shardhouse.backups.exported import Export
from shardhouse.errors import MissingObjectError
from shardhouse.operations.tasks import recovering, serving
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.workflows import limits
from shardhouse.workflows.operation import Operation, Run, Step

_PACE = 1.0
"""Seconds between two reports."""


def dump(run: Run[Recovery]) -> None:
    """The dump is stored beside the backup. Begun anew after a crash: of a cluster that was served,
    nothing can be recovered once more."""
    archive = run.context.archive(run.arguments.origin_id)
    export = Export(run.arguments.backup_id, run.job.id)
    try:
        export.size(archive)
    except MissingObjectError:
        remove(run)
        aside = recovering.beside(run, run.arguments, run.job.id, with_router=True)
        recovering.unpack(aside)
        recovering.replay(aside)
        with serving.recovered(aside) as source:
            export.write(archive, dumping.archive(source.client, _progress(run)))
    run.report(f"{export.size(archive) / 1e6:.1f} MB")


def _progress(run: Run[Recovery]) -> dumping.Progress:
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _PACE:
            told = time.monotonic()
            run.report(f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")

    return progress


def remove(run: Run[Recovery]) -> None:
    """Nothing lies aside any more."""
    recovering.remove_beside(run, run.arguments, run.job.id)


DUMP = Operation(
    "DUMP_BACKUP",
    "DumpBackup",
    Recovery,
    (
        Step("Recover the data aside, and write a dump of it", dump),
        Step("Remove what was recovered", remove),
    ),
    roll_back=remove,
    limit=limits.copying,
    locks=False,
)
