"""Migrations keep what is stored."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from shardhouse import store
from shardhouse.errors import StoreError
from shardhouse.store.database import Database


def migrate(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    step = command.upgrade if revision == "head" else command.downgrade
    with database.write() as connection:
        config.attributes["connection"] = connection
        step(config, revision)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    return made


def test_users_keep_their_keys_when_their_table_changes(database: Database) -> None:
    migrate(database, "0001")
    with database.write() as connection:
        for statement in (
            "INSERT INTO iam_domains VALUES ('d', 'home', 1, '2026-01-31')",
            "INSERT INTO iam_users VALUES ('u', 'd', 'admin', '', 1, NULL, '', '2026-01-31')",
            "INSERT INTO iam_access_keys VALUES ('AK', 'u', x'00', 1, '', '2026-01-31')",
        ):
            connection.execute(text(statement))
    database.migrate()
    with database.read() as connection:
        assert connection.execute(text("SELECT access_key FROM iam_access_keys")).scalar() == "AK"
        generation = text("SELECT session_generation FROM iam_users")
        assert connection.execute(generation).scalar() == 0
        assert "iam_failures" not in inspect(connection).get_table_names()


def test_the_days_of_backups_move_to_their_column(database: Database) -> None:
    migrate(database, "0006")
    columns = (
        "id, project_id, name, mode, status, version, storage_engine, engine_version, port, ssl,"
        " region, availability_zone, vpc_id, subnet_id, backup_start_time, backup_keep_days,"
        " maintenance_window, remark, request, revision, created_at, updated_at"
    )
    requests = {
        "with": '{"backup_strategy": {"period": "1,3"}}',
        "without": '{"backup_strategy": null}',
    }
    with database.write() as connection:
        for name, request in requests.items():
            statement = text(
                f"INSERT INTO instances ({columns}) VALUES (:id, 'p', 'n', 'Single', 'normal',"
                " '4.0', 'wiredTiger', '6.0.5', 8635, 0, 'r', 'z', 'v', 's',"
                " '00:00-01:00', 7, '', '', :request, 0, '2026-01-31', '2026-01-31')"
            )
            connection.execute(statement, {"id": name, "request": request})
    database.migrate()
    with database.read() as connection:
        found = connection.execute(text("SELECT id, backup_period FROM instances"))
        assert {row.id: row.backup_period for row in found} == {"with": "1,3", "without": ""}


def test_migrations_end_where_the_tables_of_the_code_are(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from shardhouse.store.schema import METADATA

    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_last_of_three_members_is_hidden_from_then_on(database: Database) -> None:
    migrate(database, "0006")
    shapes = {"m": ("mongos", 2), "s": ("shard", 3), "o": ("single", 1)}
    node = "INSERT INTO nodes VALUES (:id, 'i', :group, :n, '', '', '', '', 0, 'normal', '', 0, '')"
    with database.write() as connection:
        columns = [column["name"] for column in inspect(connection).get_columns("instances")]
        names = ", ".join(columns)
        values = dict.fromkeys(columns, 0) | {"id": "i", "request": "{}"}
        row = text(
            f"INSERT INTO instances ({names}) VALUES ({', '.join(f':{n}' for n in columns)})"
        )
        connection.execute(row, values)
        for group, (kind, members) in shapes.items():
            group_row = text("INSERT INTO groups VALUES (:id, 'i', 0, :kind, 1, '', '', 0)")
            connection.execute(group_row, {"id": group, "kind": kind})
            for number in range(1, members + 1):
                found = {"id": f"{group}{number}", "group": group, "n": number}
                connection.execute(text(node), found)
    database.migrate()
    with database.read() as connection:
        roles = dict(connection.execute(text("SELECT id, member FROM nodes")).all())
    voters = dict.fromkeys(("s1", "s2", "o1"), "voter")
    assert roles == {"m1": "", "m2": "", "s3": "hidden", **voters}


def test_what_a_newer_version_has_used_is_refused_as_it_is(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version of Shardhouse.* 9999"):
        database.migrate()
    with database.read() as connection:
        revision = text("SELECT version_num FROM alembic_version")
        assert connection.execute(revision).scalar() == "9999"
