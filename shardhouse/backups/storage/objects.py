"""Backups in an object store: S3 and what speaks like it, Google's, Azure's."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from shardhouse.backups.storage.interface import Entry
from shardhouse.backups.storage.names import checked, checked_prefix
from shardhouse.errors import BackupError, MissingObjectError
from shardhouse.settings import BackupSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PART = 32 * 1024**2
"""Bytes of a part of an upload. S3 takes 10,000 of them: objects of at most 312 GiB."""
_UPLOADS = 2
"""Parts that are sent at the same time; memory needed is that of one or two more."""
_SMALL = 4 * 1024**2
"""What is smaller, as most slices of an oplog, is stored by one request instead of three."""
RETRY_TIME = timedelta(minutes=1)
"""How long a request is repeated that the store does not answer."""
_CHUNK = 1024**2
_SETTINGS = {
    "s3": ("endpoint", "region", "access_key_id", "secret_access_key"),
    "gs": ("base_url", "", "service_account", ""),
    "az": ("endpoint", "", "account_name", "account_key"),
}
"""What the library calls our settings endpoint, region, access_key and secret_key."""
_ANSWER = re.compile(r"<Code>(\w+)</Code>.*?<Message>\s*(.+?)</Message>", re.DOTALL)
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_LONGEST_REASON = 500


class ObjectStorage:
    """A folder of a bucket. Nothing is asked before the first call.

    An upload that fails is given up at once. What a process left unfinished when it died is seen by
    nobody, but paid for: a rule of the bucket should end incomplete uploads after some days.
    """

    def __init__(self, url: str, store: ObjectStore) -> None:
        self._url = url
        self._store = store

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        """See `Storage`."""
        checked(name)
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in filter(None, chunks):
                size += len(chunk)
                yield chunk

        content = counted()
        start = bytearray()
        while len(start) < _SMALL and (chunk := next(content, b"")):
            start += chunk
        with self._telling(f"write {name}"):
            if len(start) < _SMALL:
                obstore.put(self._store, name, bytes(start), use_multipart=False)
            else:
                obstore.put(
                    self._store,
                    name,
                    chain([bytes(start)], content),
                    chunk_size=PART,
                    max_concurrency=_UPLOADS,
                )
        return size

    def read(self, name: str) -> Iterator[bytes]:
        """See `Storage`."""
        with self._telling(f"read {name}"):
            try:
                found = obstore.get(self._store, checked(name))
            except FileNotFoundError as error:
                if _is_of_bucket(error):
                    raise
                raise MissingObjectError(f"{self._url} has no {name}.") from None
        return self._content(name, found.stream(_CHUNK))

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Storage`."""
        return self._listed(checked_prefix(prefix))

    def delete(self, names: Iterable[str]) -> None:
        """See `Storage`."""
        given = [checked(name) for name in names]
        for some in filter(None, (given[:1], given[1:])):
            with self._telling(f"delete {some[0]}"):
                try:
                    obstore.delete(self._store, some)
                except FileNotFoundError as error:
                    if _is_of_bucket(error):
                        raise
                    self._delete_each(some)  # to S3 absent ones are no error, to others they are

    def free(self) -> None:
        """See `Storage`."""

    def _delete_each(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, name)

    def _content(self, name: str, stream: Iterable[bytes]) -> Iterator[bytes]:
        with self._telling(f"read {name}"):
            for chunk in stream:
                yield bytes(chunk)

    def _listed(self, prefix: str) -> Iterator[Entry]:
        with self._telling(f"list {prefix or 'objects'}"):
            for some in obstore.list(self._store, prefix or None):
                for found in some:
                    yield Entry(found["path"], found["size"])

    @contextmanager
    def _telling(self, action: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise BackupError(f"Cannot {action} in {self._url}: {_reason(str(error))}") from None


def open_bucket(settings: BackupSettings, url: str) -> ObjectStorage:
    """A folder of a bucket: `s3://<bucket>/<folder>`, or with `gs` or `az`.

    Raises BackupError where the settings do not suffice to ask the store.
    """
    endpoint, region, access_key, secret_key = _SETTINGS[urlsplit(url).scheme]
    given = {
        endpoint: settings.endpoint,
        region: settings.region,
        access_key: settings.access_key,
        secret_key: settings.secret_key and settings.secret_key.get_secret_value(),
    }
    config: Any = {name: value for name, value in given.items() if name and value}
    client: ClientConfig = {
        "allow_http": (settings.endpoint or "").startswith("http://"),
        # For a whole object, which may be large; for some bytes of it.
        "timeout": timedelta(days=2),
        "read_timeout": timedelta(minutes=2),
    }
    retries: RetryConfig = {"retry_timeout": RETRY_TIME, "max_retries": 1000}
    try:
        store = from_url(url, config=config, client_options=client, retry_config=retries)
    except (BaseError, ValueError) as error:
        raise BackupError(f"Cannot use {url}: {_reason(str(error))}") from None
    return ObjectStorage(url, store)


def _is_of_bucket(error: FileNotFoundError) -> bool:
    """Whether the whole bucket is missing, not an object."""
    return any(code in str(error) for code in _NO_BUCKET)


def _reason(text: str) -> str:
    """What a store answered, in words; else what the library says, without its internals."""
    if answer := _ANSWER.search(text):
        code, message = answer.groups()
        return f"{message.splitlines()[0]} ({code})"
    return text.partition("\n\nDebug source")[0][:_LONGEST_REASON]
