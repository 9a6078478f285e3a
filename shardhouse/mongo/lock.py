"""A member that stands still while its files are copied (`fsync` with `lock`), in any case only for
a while.

A locked member answers reads and does not follow its set, which has one acknowledging member less
meanwhile. The lock belongs to the server's process: it outlives the connection and us, and ends
with that process.
"""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog
from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shardhouse.errors import MongoError, StillLockedError
from shardhouse.mongo.admin import Clients, accepts
from shardhouse.mongo.wait import Deadline

_LOOK = 0.25
"""Seconds between two looks at the other members."""
_ANSWER = 3.0
"""Seconds in which a member that is well answers."""
_PENDING = 5.0
"""Seconds that the lock may wait for writes under way; new ones wait behind it."""
_COMMITTED = 10.0
"""Seconds in which the others must have what the locked member has."""
_RELEASE = 120.0
_log = structlog.get_logger()


@dataclass(frozen=True)
class Locked:
    """A member that stands still: the time of its newest oplog entry, which it has until it is
    released."""

    host: str
    top: Timestamp
    _term: int
    _process: ObjectId
    _clients: Clients
    _others: Sequence[str]
    _guard: "_Guard"

    def check(self) -> None:
        """The member has been locked all the time, by this lock, and a majority of its set has what
        it has. MongoError otherwise: what was copied is worth nothing."""
        self._guard.check()
        try:
            same = (
                _process(self._clients, self.host) == self._process
                and _is_locked(self.host, self._clients)
                and _top(self._clients, self.host) == (self.top, self._term)
            )
        except PyMongoError as error:
            raise MongoError(f"{self.host} does not answer any more: {error}") from error
        if not same:
            raise MongoError(
                f"{self.host} was restarted or unlocked while its files were copied. Try again."
            )
        if self._others:  # a set of one has nobody to roll it back
            Deadline(_COMMITTED).until(
                f"a majority to have what {self.host} has", lambda: self._committed() or None
            )

    def _committed(self) -> bool:
        """Whether a member sees the newest entry among those that cannot be rolled back."""
        for host in filter(accepts, self._others):
            with suppress(PyMongoError):
                local = self._clients[host].get_database(
                    "local", read_concern=ReadConcern("majority")
                )
                if local["oplog.rs"].find_one({"ts": self.top, "t": self._term}, {"ts": 1}):
                    return True
        return False


@contextmanager
def locked(host: str, clients: Clients, others: Sequence[str], seconds: float) -> Iterator[Locked]:
    """Have a member stand still, for at most `seconds`.

    It is released at once if one of `others`, the other voting members, is not well: their set
    would have no majority. Then, or if it was not locked all the time, leaving raises MongoError
    and what was copied is worth nothing. Entering raises MongoError if the member cannot be locked.
    Both raise StillLockedError where it hangs and may stay locked. If we are killed, it stays
    locked: see `release_left_over`.
    """
    with clients.with_timeouts(_ANSWER, _ANSWER) as impatient:
        for member in (host, *others):
            if not _is_well(member, impatient):
                raise MongoError(f"{host} is not locked while {member} is not well.")
        guard = _Guard(host, clients, impatient, others, seconds)
        _lock(host, clients)
        try:
            guard.start()
            lock = _look(host, clients, others, guard)
            try:
                yield lock
            except Exception:
                guard.check()  # that is why: files changed while they were copied
                raise
            lock.check()
        finally:
            guard.stop()


def release_left_over(host: str, clients: Clients) -> bool:
    """Release a lock that was left when its holder was killed; whether there was one. Nobody may
    hold a lock now. Raises MongoError if the member does not answer."""
    try:
        if not _is_locked(host, clients):
            return False
    except PyMongoError as error:
        raise MongoError(
            f"{host} does not say whether it is locked. Where it hangs, restart it: {error}"
        ) from error
    _log.warning("a lock was left over and is released", host=host)
    _release(host, clients)
    return True


class _Guard:
    """Releases the lock: when it is told to, and by itself in time, or when another member is not
    well."""

    def __init__(
        self,
        host: str,
        clients: Clients,
        impatient: Clients,
        others: Sequence[str],
        seconds: float,
    ) -> None:
        self._host = host
        self._clients = clients
        self._impatient = impatient
        self._others = others
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"lock-{host}", daemon=True)
        self._reason = ""
        self._released = False

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """The lock is released when this returns. Raises StillLockedError if it cannot be."""
        self._over.set()
        self._thread.join()
        if not self._released:
            _release(self._host, self._clients)

    def check(self) -> None:
        """MongoError if it released the lock by itself."""
        if self._reason:
            raise MongoError(f"{self._host} was unlocked early: {self._reason}.")

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            self._reason = self._trouble()
            if self._reason:
                _log.warning("unlocked early", host=self._host, reason=self._reason)
                with suppress(MongoError):  # who leaves the lock tries again
                    _release(self._host, self._clients)
                    self._released = True
                return

    def _trouble(self) -> str:
        if time.monotonic() > self._end:
            return f"{self._seconds:g} s had passed"
        ill = next((one for one in self._others if not _is_well(one, self._impatient)), "")
        return f"{ill} is not well, and the set needs a majority" if ill else ""


def _lock(host: str, clients: Clients) -> None:
    command = {
        "fsync": 1,
        "lock": True,
        # Older builds ignore what follows, and wait. From 5.0.22 and 6.0.11 on they give up: a
        # prepared transaction would not end before the lock came, nor the lock before that.
        "forBackup": True,
        "fsyncLockAcquisitionTimeoutMillis": int(_PENDING * 1000),
    }
    try:
        count = clients[host].admin.command(command)["lockCount"]
    except OperationFailure as error:
        raise MongoError(f"{host} cannot be locked: {error}") from error
    except PyMongoError as error:
        _release(host, clients)
        raise MongoError(f"{host} cannot be locked: {error}") from error
    if count > 1:
        clients[host].admin.command("fsyncUnlock")
        raise MongoError(f"{host} is locked by another client (fsync); unlock it first.")


def _look(host: str, clients: Clients, others: Sequence[str], guard: _Guard) -> Locked:
    try:
        top, term = _top(clients, host)
        return Locked(host, top, term, _process(clients, host), clients, others, guard)
    except PyMongoError as error:
        raise MongoError(f"{host}, which is locked, does not answer: {error}") from error


def _release(host: str, clients: Clients) -> None:
    """The member is not locked any more. StillLockedError if that does not succeed."""

    def released() -> bool | None:
        try:
            with suppress(OperationFailure):  # it is not locked
                clients[host].admin.command("fsyncUnlock")
            return not _is_locked(host, clients) or None
        except PyMongoError:
            if _is_gone(host):  # and the lock with it
                return True
            raise

    try:
        Deadline(_RELEASE).until(f"{host} to be unlocked", released)
    except MongoError as error:
        raise StillLockedError(error.message) from error


def _is_locked(host: str, clients: Clients) -> bool:
    return bool(clients[host].admin.command("currentOp").get("fsyncLock", False))


def _is_gone(host: str) -> bool:
    """Whether there is no process that could be locked; one that is slow still is."""
    address, _, port = host.rpartition(":")
    try:
        socket.create_connection((address, int(port)), _ANSWER).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _is_well(host: str, clients: Clients) -> bool:
    """Whether a member follows its set, or leads it."""
    try:
        hello = clients[host].admin.command("hello")
    except PyMongoError:
        return False
    return bool(hello["isWritablePrimary"] or hello.get("secondary"))


def _process(clients: Clients, host: str) -> ObjectId:
    """What tells the server's process from any other."""
    found: ObjectId = clients[host].admin.command("hello")["topologyVersion"]["processId"]
    return found


def _top(clients: Clients, host: str) -> tuple[Timestamp, int]:
    """Time and term of the newest oplog entry."""
    newest = (
        clients[host].local["oplog.rs"].find_one({}, {"ts": 1, "t": 1}, sort=[("$natural", -1)])
    )
    if newest is None:
        raise MongoError(f"{host} has an empty oplog.")
    return newest["ts"], newest["t"]
