"""Operations are found again by their jobs."""

import importlib
import pkgutil

from shardhouse import operations
from shardhouse.operations.table import OPERATIONS
from shardhouse.workflows.operation import Operation


def test_every_operation_is_in_the_table() -> None:
    found = []
    for module in pkgutil.iter_modules(operations.__path__):
        loaded = importlib.import_module(f"{operations.__name__}.{module.name}")
        found += [value for value in vars(loaded).values() if isinstance(value, Operation)]
    for operation in found:
        listed = OPERATIONS[operation.action]
        # Two calls may start the same operation; their jobs are told apart by nothing.
        assert (listed.steps, listed.arguments) == (operation.steps, operation.arguments)
        assert (listed.done, listed.failed) == (operation.done, operation.failed)
