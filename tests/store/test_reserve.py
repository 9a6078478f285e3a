"""The space the service keeps for its own writes: its journals, and the reserve behind them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.errors import DiskFull, UniqueViolation
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from shardhouse.errors import DiskFullError
from shardhouse.store import journal
from shardhouse.store.database import Database, is_full
from shardhouse.store.reserve import NAME, SIZE, SLICE, Reserve
from shardhouse.workflows import system_database
from tests.disks import fill, free, small_disk

PAGE = "x" * 100_000
INSERT = text("INSERT INTO pages VALUES (:page)")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64) as folder:
        yield folder


@pytest.fixture
def reserve(disk: Path) -> Reserve:
    made = Reserve(disk)
    made.refill()
    assert (disk / NAME).stat().st_size == SIZE
    return made


def test_it_is_given_back_in_slices(disk: Path, reserve: Reserve) -> None:
    for number in range(1, SIZE // SLICE + 1):
        fill(disk / "filler")
        assert reserve.disk_is_full
        reserve.give_back()
        assert not reserve.disk_is_full
        assert (free(disk), reserve.missing) == (SLICE, number * SLICE)
    reserve.give_back()
    assert (free(disk), reserve.missing) == (SLICE, SIZE)


def test_it_is_taken_again_only_if_as_much_stays_free(disk: Path, reserve: Reserve) -> None:
    reserve.give_back()
    fill(disk / "filler", leave=SIZE)
    reserve.refill()
    assert reserve.missing == SLICE
    (disk / "filler").unlink()
    reserve.refill()
    assert reserve.missing == 0


@pytest.fixture
def database(disk: Path, reserve: Reserve) -> Iterator[Database]:
    made = Database(f"sqlite:///{disk / 'store.db'}", reserve)
    with made.write() as connection:
        connection.execute(text("CREATE TABLE pages (content TEXT)"))
    assert (disk / "store.db-wal").stat().st_size == journal.SIZE
    yield made
    made.close()


def rows(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM pages")).scalar_one())


def write(database: Database) -> None:
    with database.write() as connection:
        connection.execute(INSERT, {"page": PAGE})


def test_the_journal_takes_writes_on_a_full_disk_without_the_reserve(
    disk: Path, reserve: Reserve, database: Database
) -> None:
    for number in range(1, 30):
        write(database)
        fill(disk / "filler")
        assert (rows(database), reserve.missing) == (number, 0)


def test_the_reserve_takes_what_the_journal_cannot(
    disk: Path, reserve: Reserve, database: Database
) -> None:
    fill(disk / "filler")
    written = 0
    while reserve.missing < SIZE:
        write(database)
        written += 1
    assert written * len(PAGE) > journal.SIZE
    assert rows(database) == written


def test_a_write_without_any_space_is_refused_and_the_next_one_is_not(
    disk: Path, reserve: Reserve, database: Database
) -> None:
    (disk / NAME).unlink()
    fill(disk / "filler")
    with pytest.raises(DiskFullError, match="Free some space"), database.write() as connection:
        connection.execute(INSERT, {"page": PAGE * 200})
    assert rows(database) == 0
    (disk / "filler").unlink()
    write(database)
    assert rows(database) == 1


def test_a_journal_that_was_allocated_is_read_after_a_crash(
    disk: Path, reserve: Reserve, database: Database
) -> None:
    write(database)
    copies = disk / "copies"
    copies.mkdir()
    for file in disk.glob("store.db*"):
        if not file.name.endswith("-shm"):
            (copies / file.name).write_bytes(file.read_bytes())
    again = Database(f"sqlite:///{copies / 'store.db'}", reserve)
    assert rows(again) == 1
    again.close()


@pytest.fixture
def engine(disk: Path, reserve: Reserve) -> Iterator[Engine]:
    made = system_database.engine(f"sqlite:///{disk / 'workflows.db'}", reserve)
    assert made is not None
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE pages (content TEXT)"))
    yield made
    made.dispose()


def test_the_workflow_engine_s_database_uses_both(
    disk: Path, reserve: Reserve, engine: Engine
) -> None:
    fill(disk / "filler")
    written = 0
    while reserve.missing < SIZE:
        with engine.begin() as connection:
            connection.execute(INSERT, {"page": PAGE})
        written += 1
    assert written * len(PAGE) > journal.SIZE


def test_the_workflow_engine_repeats_a_write_that_finds_no_space(
    disk: Path, engine: Engine
) -> None:
    (disk / NAME).unlink()
    fill(disk / "filler")
    # What DBOS knows as an error that passes.
    with pytest.raises(OperationalError, match="database is locked"), engine.begin() as connection:
        connection.execute(INSERT, {"page": PAGE * 200})
    (disk / "filler").unlink()
    with engine.begin() as connection:
        connection.execute(INSERT, {"page": PAGE})


def test_a_full_disk_of_postgresql_is_known_too() -> None:
    assert is_full(DiskFull())
    assert not is_full(UniqueViolation())
    assert not is_full(None)


def test_no_other_database_has_an_engine_made_for_it(reserve: Reserve) -> None:
    assert system_database.engine("postgresql+psycopg://there/workflows", reserve) is None
