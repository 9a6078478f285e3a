"""The one interface to the place where backups are kept; drivers are its implementations."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """An object of a storage, with its size in bytes."""

    name: str
    size: int


class Storage(Protocol):
    """Keeps named objects. Names are those of `names.checked`. All calls raise BackupError with a
    reason a person can act on; what `chunks` raises passes through."""

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        """Store an object whole or not at all, in place of one of this name. Returns its bytes."""
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """The content in pieces. Raises MissingObjectError, before the first one, where there is no
        such object."""
        ...

    def list(self, prefix: str) -> Iterator[Entry]:
        """Objects below `prefix`, in the order of their names; it is `""` or ends with `/`."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, the first of them before all others; those that are not there are no
        error."""
        ...

    def free(self) -> int | None:
        """Bytes that are left, or None where nobody knows."""
        ...
