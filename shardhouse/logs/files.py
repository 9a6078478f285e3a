"""The files of nodes' logs: the one that each writes, and those put aside."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from shardhouse.nodes.runtime import LogFile, NodeRef, Runtime

T = TypeVar("T")
NAME = "mongo.log"
"""The file that a node writes. One that was put aside has a time behind that name."""
_ATTEMPTS = 3


def of(runtime: Runtime, node: NodeRef) -> list[LogFile]:
    """A node's, the oldest one first; the one being written is the last."""
    found = [f for f in runtime.log_files(node) if f.name == NAME or f.name.startswith(f"{NAME}.")]
    return sorted(found, key=lambda file: (file.name == NAME, file.modified, file.name))


def obsolete(found: Sequence[LogFile], total: int, oldest: datetime) -> list[LogFile]:
    """Which of a node's files, given as `of` orders them, should go: those put aside that were
    written last before `oldest`, and the oldest ones until all have `total` bytes at most. The one
    being written stays."""
    size = sum(file.size for file in found)
    gone = []
    for file in found:
        if file.name != NAME and (size > total or file.modified < oldest):
            gone.append(file)
            size -= file.size
    return gone


def steady(
    runtime: Runtime,
    nodes: Sequence[NodeRef],
    take: Callable[[Sequence[tuple[NodeRef, LogFile]]], T],
) -> T:
    """What `take` makes of the nodes' files. It is called again where some were put aside or
    removed meanwhile: it may have read one in the place of another."""

    def listed() -> list[tuple[NodeRef, LogFile]]:
        return [(node, file) for node in nodes for file in of(runtime, node)]

    for _ in range(_ATTEMPTS):
        present = listed()
        result = take(present)
        if {_identity(*one) for one in present} <= {_identity(*one) for one in listed()}:
            break
    return result


def _identity(node: NodeRef, file: LogFile) -> tuple[NodeRef, str, str]:
    return node, file.name, file.id
