"""What operations and queries find of an instance that is hardly there."""

from pathlib import Path
from typing import Any

import pytest

from shardhouse.errors import MongoError
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault
from shardhouse.workflows.context import Context
from tests.contract.test_changes import SET


def test_nobody_connects_to_an_instance_without_a_key(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    rest: Any = None
    context = Context(rest, database, Vault.at(tmp_path), rest, rest, rest, rest)
    with pytest.raises(MongoError, match="is being created"):
        context.clients(SET)
