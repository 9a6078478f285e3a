"""Continuous capture of one replica set's oplog: what is new becomes a slice of the archive.

What is new is read from any member that holds data, never beyond what a majority has, so that no
entry is archived that could be rolled back. The first entry that is read must be the last one that
is archived: it proves that nothing is missing between them, whichever member is asked, after
whatever happened meanwhile. Slices are therefore written in turn and hold all there is. Nothing
else has to be remembered: after a restart the archive's last slice says where to go on.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shardhouse.backups import entries, positions, slices
from shardhouse.backups.archive import Archive
from shardhouse.backups.slices import Slice
from shardhouse.errors import (
    CorruptBackupError,
    MissingObjectError,
    MongoError,
    OplogGapError,
)
from shardhouse.mongo.admin import Client, Clients, accepts

SLICE_BYTES = 16 << 20
"""Bytes of entries that become a slice at the latest; and stored bytes, up to which slices are
merged."""
SLICE_SECONDS = 3600
"""Seconds of the oplog up to which slices are merged."""
FRESH_SECONDS = 60
FRESH_SLICES = 60
"""So many slices in a row, each of less than a minute, are merged before that: a restore reads few
objects, and a list of them is short."""
SHUNNED_SECONDS = 60.0
"""How long a member that failed, or had nothing new for too long, is asked after the others."""
_CAPPED_POSITION_LOST = 136
_BATCH = 1_000_000
"""Entries of a batch, which 16 MiB end before."""


class Capture:
    """One replica set on its way into the archive. Not for several threads at once."""

    def __init__(self, archive: Archive, group_id: str) -> None:
        self._archive = archive
        self._group_id = group_id
        self._loaded = False
        self._position: Timestamp | None = None
        #: Slices at the end of the archive that are to be merged, each where the one before ends.
        self._small: list[Slice] = []
        self._shunned: dict[str, float] = {}
        self._progress = time.monotonic()

    def advance(
        self,
        sources: Sequence[str],
        clients: Clients,
        start: Callable[[], Timestamp | None],
        joined: Callable[[Timestamp], None],
        patience: float,
    ) -> None:
        """Archive what is new.

        `sources` are the members that hold data (`address:port`), the best one first; another is
        asked where one fails, or has nothing new for `patience` seconds. Where the archive has no
        slice, capture begins at the position that `start` gives; None is too early. `joined` is
        called with the position at which a shard joined the cluster, if this is the config
        servers' set, before that is archived.

        Raises OplogGapError if the entries behind the last archived one are lost, MongoError if no
        member answers, BackupError if the archive cannot be read or written. What was archived
        before stays, and the next call goes on there.
        """
        if not self._loaded:
            self._load()
        if self._position is None:
            self._position = start()
        if self._position is not None:
            self._fetch(sources, clients, joined, patience)
            self._merge()

    def resume(self, position: Timestamp) -> None:
        """Go on behind a gap, at the top of a newer full backup."""
        self._position = position
        self._small = []

    def _load(self) -> None:
        """Learn from the archive what is in it, and end what an interrupted merge has left."""
        whole: list[Slice] = []
        superseded: list[Slice] = []
        # Of those that begin together the longest comes first.
        for piece in sorted(
            slices.listed(self._archive, self._group_id),
            key=lambda piece: (piece.after, -piece.last.time, -piece.last.inc),
        ):
            covered = whole and whole[-1].covers(piece)
            (superseded if covered else whole).append(piece)
        self._archive.delete([slices.name(self._group_id, piece) for piece in superseded])
        for piece in whole:
            self._append(piece)
        self._loaded = True

    def _append(self, piece: Slice) -> None:
        """Count a slice as the last one of the archive."""
        if self._small and self._small[-1].last != piece.after:
            self._small = []
        if _is_full([piece]):
            self._small = []
        else:
            self._small.append(piece)
        self._position = piece.last

    def _fetch(
        self,
        sources: Sequence[str],
        clients: Clients,
        joined: Callable[[Timestamp], None],
        patience: float,
    ) -> None:
        now = time.monotonic()
        recently = {
            host: since for host, since in self._shunned.items() if now - since < SHUNNED_SECONDS
        }
        self._shunned = recently.copy()
        lacking = 0
        failed = ""
        for host in sorted(sources, key=lambda host: recently.get(host, 0.0)):
            try:
                # A driver would wait for it; whatever accepts no connection is tried later.
                if host in recently and not accepts(host):
                    failed = failed or f"{host} accepts no connections"
                    continue
                if self._archive_from(clients[host], joined):
                    self._progress = time.monotonic()
                elif time.monotonic() - self._progress > patience:
                    self._shunned[host] = time.monotonic()
            except OplogGapError:
                lacking += 1
            except PyMongoError as error:
                failed = f"{host}: {error}"
            else:
                return
            self._shunned[host] = time.monotonic()
        assert self._position is not None
        if 2 * lacking > len(sources):
            raise _gap(self._group_id, self._position)
        raise MongoError(f"No member's oplog could be read: {failed}")

    def _archive_from(self, client: Client, joined: Callable[[Timestamp], None]) -> bool:
        """Archive what one member has; whether there was anything. Raises OplogGapError where it
        lacks the last archived entry."""
        anything = False
        batches: list[bytes] = []
        try:
            for batch in self._new(client):
                anything = True
                for position in entries.shards_joined(batch):
                    joined(position)
                batches.append(batch)
                if sum(map(len, batches)) >= SLICE_BYTES:
                    self._write(batches)
                    batches = []
        except OperationFailure as error:
            # The oplog's beginning has overtaken us: what was read of it, and what is before.
            if error.code == _CAPPED_POSITION_LOST and self._position is not None:
                raise _gap(self._group_id, self._position) from None
            raise
        if batches:
            self._write(batches)
        return anything

    def _new(self, client: Client) -> Iterator[bytes]:
        """What a member has behind the last archived entry, in batches of whole entries."""
        position = self._position
        assert position is not None
        oplog = client.local.get_collection("oplog.rs", read_concern=ReadConcern("majority"))
        proven = False
        with oplog.find_raw_batches({"ts": {"$gte": position}}, batch_size=_BATCH) as cursor:
            for batch in cast("Iterable[bytes]", cursor):
                rest = batch
                if batch and not proven:
                    known = entries.first(batch)
                    if entries.position(known) != position:
                        raise _gap(self._group_id, position)
                    proven = True
                    rest = batch[len(known) :]
                if rest:
                    yield rest

    def _write(self, batches: Sequence[bytes]) -> None:
        assert self._position is not None
        piece = Slice(self._position, entries.position(entries.last(batches[-1])))
        stored = self._archive.write(slices.name(self._group_id, piece), batches)
        self._append(Slice(piece.after, piece.last, stored.size))

    def _merge(self) -> None:
        run = due(self._small)
        if not run:
            return
        names = [slices.name(self._group_id, piece) for piece in run]
        whole = Slice(run[0].after, run[-1].last)
        try:
            content = chain.from_iterable(map(self._archive.read, names))
            stored = self._archive.write(slices.name(self._group_id, whole), content)
        except (MissingObjectError, CorruptBackupError):
            self._small = []  # they are left as they are
            raise
        self._small = self._small[: -len(run)]
        self._append(Slice(whole.after, whole.last, stored.size))
        self._archive.delete(names)


def due(small: Sequence[Slice]) -> Sequence[Slice]:
    """Which of the small slices at the archive's end, each beginning where the one before ends, are
    to be merged now; always the last ones."""
    if len(small) > 1 and _is_full(small):
        return small
    fresh = 0
    for piece in reversed(small):
        if piece.last.time - piece.after.time >= FRESH_SECONDS:
            break
        fresh += 1
    return small[-fresh:] if fresh >= FRESH_SLICES else ()


def _is_full(run: Sequence[Slice]) -> bool:
    """Whether slices in a row are large or long enough to be left alone as one."""
    return (
        sum(piece.size for piece in run) >= SLICE_BYTES
        or run[-1].last.time - run[0].after.time >= SLICE_SECONDS
    )


def _gap(group_id: str, position: Timestamp) -> OplogGapError:
    at = positions.text(position)
    return OplogGapError(
        f"The oplog of {group_id} does not hold the entry that was archived last ({at}): a full "
        "backup is needed.",
        at,
    )
