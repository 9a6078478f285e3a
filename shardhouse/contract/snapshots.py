"""Snapshots: an instance with its data as one file, which makes a new instance in any installation.

`docs/snapshots.md` describes the file. Here are the calls, and what the file begins with.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from pydantic import AwareDatetime, Field, ValidationError

from shardhouse.contract.backups import BACKUPS, LIST, DumpLink
from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.links import LinkQuery
from shardhouse.domain import rules
from shardhouse.domain.backup import GroupShape
from shardhouse.domain.creation import GROUP_TYPES
from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.model import GroupType, Mode
from shardhouse.errors import DdsError, SnapshotError

FORMAT = 1
HEAD, SUMS = "snapshot.json", "SHA256SUMS"
"""Names of the first file of a snapshot, and of the last."""
MOST_HEAD = 1024**2
"""Bytes of a head: nothing else is done while it is parsed."""
MOST_FILES = 100_000
"""MongoDB's files in a snapshot: one for each collection and each index."""
MOST_NAMESPACES = 64 * 1024**2
"""Bytes of what says which collections a replica set has: some hundred for each."""
FILES = ".files.jsonl"
DATA, OPLOG, NAMESPACES = ".tar.zst", ".oplog.bson.zst", ".namespaces.json.zst"
"""What follows the name of a replica set in the names of its files."""
_SET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_NODES, _MOST_GB = 64, 100_000
"""Of a group: far more than can be ordered, for what can be ordered changes."""
_POSITION = r"^[0-9a-f]{16}$"
_SHA256 = r"^[0-9a-f]{64}$"
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(pattern=r"^\P{C}{0,100}$")]
"""Without control characters, for it is shown."""


class SnapshotGroup(Wire):
    """A group of the instance. `size` is GB per node."""

    name: str
    type: GroupType
    spec_code: str
    size: Count
    nodes: Count

    def shape(self, group_id: str) -> GroupShape:
        """The group as backups have it, under an id."""
        return GroupShape(group_id, self.type, self.name, self.spec_code, self.size, self.nodes)


class SnapshotStrategy(Wire):
    """Its automatic backups: see `domain.model.BackupStrategy`."""

    start_time: Text
    keep_days: Count
    period: Text


class SnapshotInstance(Wire):
    """The instance, as it was then. `version` was asked for, `engine_version` ran."""

    name: str
    mode: Mode
    version: Text
    storage_engine: Annotated[str, Field(pattern="^(wiredTiger|rocksDB)$")]
    engine_version: Text
    engine_build: Text
    ssl: bool
    backup_strategy: SnapshotStrategy
    groups: tuple[SnapshotGroup, ...]


class SnapshotPart(Wire):
    """A file of the snapshot: its bytes, and those of its content."""

    size: Count
    plain_size: Count


class SnapshotFiles(Wire):
    """The list of MongoDB's files in the archive of a replica set: its bytes, how many files it
    has, and the bytes of all these."""

    size: Count
    number: Count
    total: Count


class DataFileItem(Wire):
    """A line of that list: a file, its bytes and their SHA-256."""

    name: str
    size: Count
    sha256: Annotated[str, Field(pattern=_SHA256)]


class SnapshotSet(Wire):
    """A replica set. `top` is the position of the newest entry of the oplog that its files hold;
    `oplog` is what it wrote from then on, of clusters."""

    name: str
    type: GroupType
    top: Annotated[str, Field(pattern=_POSITION)]
    files: SnapshotFiles
    data: SnapshotPart
    oplog: SnapshotPart | None = None
    namespaces: SnapshotPart

    def parts(self) -> Iterator[tuple[str, int]]:
        """What the snapshot has of it, in order: names and bytes."""
        yield self.name + FILES, self.files.size
        yield self.name + DATA, self.data.size
        if self.oplog is not None:
            yield self.name + OPLOG, self.oplog.size
        yield self.name + NAMESPACES, self.namespaces.size


class Snapshot(Wire):
    """What a snapshot begins with. Its data is that of `end`; `consistent_at` is the position to
    which all its sets are brought together."""

    format: int
    begin: AwareDatetime
    end: AwareDatetime
    consistent_at: Annotated[str, Field(pattern=_POSITION)]
    instance: SnapshotInstance
    sets: tuple[SnapshotSet, ...]

    def parts(self) -> list[tuple[str, int]]:
        """The files between the first and the last, in order: names and bytes."""
        return [part for one in self.sets for part in one.parts()]

    @property
    def size(self) -> int:
        """Bytes of those files."""
        return sum(size for _, size in self.parts())

    @property
    def data_size(self) -> int:
        """Bytes of MongoDB's files: what each node needs of a disk, of one set."""
        return sum(one.files.total for one in self.sets)


def parse(content: bytes) -> Snapshot:
    """The head of a snapshot. Raises SnapshotError for anything else, and for one of a later
    format."""
    try:
        document = json.loads(content)
        found = document["format"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise SnapshotError(f"{HEAD} is not what a snapshot begins with.") from None
    if type(found) is not int or not 0 < found < 1000:
        raise SnapshotError(f"{HEAD} has no valid number of a format.")
    if found != FORMAT:
        raise SnapshotError(
            f"it is a snapshot of format {found}, and this version of Shardhouse reads format "
            f"{FORMAT}: load it with the version that saved it, or a newer one."
        )
    try:
        head = Snapshot.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotError(f"{HEAD} is not understood: {where}: {first['msg']}.") from None
    _check(head)
    return head


def _check(head: Snapshot) -> None:
    """Names become names here, and what is said of groups and of sets agrees."""
    instance = head.instance
    try:
        rules.instance_name(instance.name)
    except DdsError as error:
        raise SnapshotError(f"{HEAD}: {error.message}") from None
    held = [(group.name, group.type) for group in instance.groups if group.type.holds_data]
    told = [(one.name, one.type) for one in head.sets]
    if not all(_SET.fullmatch(group.name) for group in instance.groups):
        raise SnapshotError(f"{HEAD} has a name that no group can have.")
    twice = [name for name, times in Counter(name for name, _ in told).items() if times > 1]
    if twice:
        raise SnapshotError(f"{HEAD} names two replica sets {twice[0]}.")
    if sorted(held) != sorted(told):
        raise SnapshotError(f"{HEAD} names other replica sets than its instance has.")
    if {group.type for group in instance.groups} != set(GROUP_TYPES[instance.mode]):
        raise SnapshotError(f"{HEAD} has other groups than a {instance.mode} instance has.")
    for group in instance.groups:
        _check_group(group)
    if sum(one.files.number for one in head.sets) > MOST_FILES:
        raise SnapshotError(f"{HEAD} says of more than {MOST_FILES} files of MongoDB's.")
    if any(one.namespaces.plain_size > MOST_NAMESPACES for one in head.sets):
        raise SnapshotError(f"{HEAD} says of more names of collections than can be.")


def _check_group(group: SnapshotGroup) -> None:
    """Whether a group could be made."""
    flavor = all_flavors().get(group.spec_code)
    if flavor is None or flavor.type is not group.type:
        raise SnapshotError(f"{HEAD}: the group {group.name} has a spec_code that it cannot have.")
    if not 1 <= group.nodes <= _MOST_NODES:
        raise SnapshotError(f"{HEAD}: the group {group.name} has not 1 to {_MOST_NODES} nodes.")
    if not (1 if group.type.holds_data else 0) <= group.size <= _MOST_GB:
        raise SnapshotError(f"{HEAD}: the group {group.name} has a size that it cannot have.")


class SnapshotLink(DumpLink):
    """The snapshot's file `name`, its `size` in bytes, where it is, and until when (UTC)."""


class SnapshotUpload(Wire):
    """Where a snapshot may be sent, until when (UTC), and the backup that becomes of it."""

    backup_id: str
    upload_link: str
    link_expired_time: str


class SnapshotReceived(Wire):
    """The backup that a new instance can be restored from, and the instance that it is of, which
    is not here."""

    backup_id: str
    instance_id: str


SHOW_SNAPSHOT_LINK = Call(
    "ShowBackupSnapshotLink",
    Method.GET,
    f"{BACKUPS}/{{backup_id}}/snapshot",
    summary="A link to a backup as a snapshot, one file, good for a quarter of an hour. "
    "`docs/snapshots.md` says what is in it.",
    permission=LIST,
    answer=SnapshotLink,
    addition=True,
)
DOWNLOAD_SNAPSHOT = Call(
    "DownloadBackupSnapshot",
    Method.GET,
    "/v3/backup-snapshots/{backup_id}",
    summary="The snapshot that a link names: a tar archive. It is not encrypted.",
    query=LinkQuery,
    addition=True,
)
PREPARE_UPLOAD = Call(
    "PrepareSnapshotUpload",
    Method.POST,
    f"{BACKUPS}/snapshots",
    summary="A link for sending a snapshot, good for a quarter of an hour, and for one backup.",
    permission="dds:backup:import",
    answer=SnapshotUpload,
    addition=True,
)
UPLOAD_SNAPSHOT = Call(
    "UploadSnapshot",
    Method.PUT,
    "/v3/snapshot-uploads/{project}/{backup_id}",
    summary="Make a backup of a snapshot, which is the body. It goes when it has been restored, or "
    "after a day.",
    query=LinkQuery,
    answer=SnapshotReceived,
    uploads=True,
    addition=True,
)
CALLS = (SHOW_SNAPSHOT_LINK, DOWNLOAD_SNAPSHOT, PREPARE_UPLOAD, UPLOAD_SNAPSHOT)
