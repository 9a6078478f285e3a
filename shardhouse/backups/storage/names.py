"""Names of objects: what every storage can keep, checked for all drivers alike."""

import re

from shardhouse.errors import BackupError

#: Ends the names of files that are being written to a folder, so no object has it.
PART = ".part"
_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,200}")


def checked(name: str) -> str:
    """The name itself: segments of letters, digits and `._-`, separated by `/`.

    Raises BackupError for any other name, and where a segment is `.` or `..` or ends with `.part`.
    """
    for segment in name.split("/"):
        if not _SEGMENT.fullmatch(segment) or segment in {".", ".."} or segment.endswith(PART):
            raise BackupError(
                f"{name!r} is not a name of an object: segments of letters, digits and ._- are "
                f"required, separated by /, none of them . or .. or ending with {PART}."
            )
    return name


def checked_prefix(prefix: str) -> str:
    """The prefix itself: empty, or a name that is followed by `/`; BackupError for any other."""
    if prefix:
        checked(prefix.removesuffix("/"))
        if not prefix.endswith("/"):
            raise BackupError(f"{prefix!r} is not a prefix: it must end with /, or be empty.")
    return prefix
