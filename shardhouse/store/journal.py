"""SQLite's write-ahead journals, allocated in advance: as long as they last, a write needs no space
that another writer on the disk could have taken. Behind them stands the reserve."""

import os
import sqlite3
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from shardhouse.store.reserve import LEAST, MIB, Reserve

SIZE = 8 * MIB
"""Twice what a journal holds when SQLite begins to move it into the database."""
_HEADER = 32
_SALT, _SALT_SIZE = 16, 8
_FRAME_HEADER = 24
_FRAME_SALT = 8


def open_allocated(connection: sqlite3.Connection) -> None:
    """Have a new connection write ahead, into a journal that has its size already. A journal that
    cannot have it now grows as it is used."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")  # the file is made by the first read
    journal = _file(connection)
    if journal.exists() and journal.stat().st_size < SIZE:
        with suppress(OSError):
            descriptor = os.open(journal, os.O_WRONLY)
            try:
                # SQLite takes what follows the last frame it knows for the rest of older frames.
                os.posix_fallocate(descriptor, 0, SIZE)
            finally:
                os.close(descriptor)


def make_room(connection: Connection, reserve: Reserve) -> None:
    """Give back a slice of the reserve if the disk is full and the journal too. To be called before
    a transaction begins."""
    if reserve.disk_is_full:
        driver = connection.connection.driver_connection
        assert driver is not None
        if _left(driver) < LEAST:
            reserve.give_back()


def _left(connection: sqlite3.Connection) -> int:
    """Bytes of the journal that are free, after what can be moved into the database was."""
    path = _file(connection)
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    frame = _FRAME_HEADER + int(page)
    try:
        _, frames, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.OperationalError:  # the database had to grow, and could not
        return path.stat().st_size - _frames(path, frame) * frame
    return path.stat().st_size - (0 if frames == moved else frames * frame)


def _frames(path: Path, frame: int) -> int:
    """How many frames of a journal are in use: those at its start that bear its present salt.
    (The file's format is SQLite's documented one, "WAL-mode File Format".)"""
    with path.open("rb") as file:

        def salt(offset: int) -> bytes:
            file.seek(offset)
            return file.read(_SALT_SIZE)

        present = salt(_SALT)
        every = range((path.stat().st_size - _HEADER) // frame)
        return bisect_left(
            every,
            True,
            key=lambda number: salt(_HEADER + number * frame + _FRAME_SALT) != present,
        )


def _file(connection: sqlite3.Connection) -> Path:
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    return Path(f"{path}-wal")
