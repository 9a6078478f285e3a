"""Objects of one instance in a storage: compressed, encrypted, and read back only as written.

`docs/backups.md` has the format, and a recipe that reads it without this program.
"""

import hashlib
import hmac
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shardhouse.backups.pipeline import ahead
from shardhouse.backups.storage.interface import Entry, Storage
from shardhouse.errors import (
    BackupError,
    CorruptBackupError,
    MissingObjectError,
    ShardhouseError,
)
from shardhouse.store.vault import Vault
from shardhouse.tar import digested

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KEY_BYTES = 32
FRAME = 1024**2
MAGIC = b"shardhouse1\n"
SALT_BYTES = 20
TAG_BYTES = 16
_HEADER = len(MAGIC) + SALT_BYTES
_CODE = "authentication"
_KEY_NAME = "key.json"
_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.nb_workers: 2,
}
_AGAIN: dict[int, int] = {
    zstd.CompressionParameter.hash_log: 6,
    zstd.CompressionParameter.min_match: 7,
}
"""For what is compressed already, as WiredTiger's files are (snappy). Most of what zstd still gains
there is entropy coding; with a table of 64 places it searches little for repetitions, which takes
half the time and makes objects a sixth larger."""
#: Two threads that both find no key must not make two.
_KEYS = threading.Lock()


@dataclass(frozen=True)
class Stored:
    """An object that was written: `size` and `sha256` (hexadecimal) are those of the stored bytes,
    `plain_size` counts the bytes that went in."""

    name: str
    size: int
    sha256: str
    plain_size: int


class Archive:
    """The objects of one instance. Names are relative to the instance's folder. All calls raise
    BackupError."""

    def __init__(self, storage: Storage, instance_id: str, key: bytes) -> None:
        self._storage = storage
        self._folder = f"{instance_id}/"
        self._key = key

    def write(self, name: str, chunks: Iterable[bytes], *, compressed: bool = False) -> Stored:
        """Store an object whole or not at all, in place of one of this name; memory needed is a
        few frames, whatever the size. What `chunks` raises passes through; they are read in another
        thread. `compressed` says that they are already: less time is spent on that then."""
        plain = _Counted(chunks)
        with closing(ahead(_compressed(plain, again=compressed))) as pieces:
            size, sha256 = self._write(name, pieces)
        return Stored(name, size, sha256, plain.size)

    def write_packed(self, name: str, chunks: Iterable[bytes], plain_size: int) -> Stored:
        """The same of what `read_packed` gave, of `plain_size` bytes, without a look into it."""
        size, sha256 = self._write(name, chunks)
        return Stored(name, size, sha256, plain_size)

    def _write(self, name: str, pieces: Iterable[bytes]) -> tuple[int, str]:
        """Encrypt and store: the stored bytes, and their SHA-256."""
        digest = hashlib.sha256()
        sealed = digested(digest, self._sealed(name, pieces))
        return self._storage.write(self._folder + name, sealed), digest.hexdigest()

    def read(self, name: str, most: int | None = None) -> Iterator[bytes]:
        """The content in pieces. Raises MissingObjectError at once where there is no such object,
        and CorruptBackupError as soon as it meets a byte that was not written under this name: so
        nothing is known to be whole before the last piece. Of what others compressed, nothing is
        given beyond `most` bytes: CorruptBackupError."""
        stored = self._storage.read(self._folder + name)
        content = _decompressed(name, self._opened(name, stored))
        return ahead(content if most is None else _bounded(name, content, most))

    def read_packed(self, name: str) -> Iterator[bytes]:
        """The content as it was compressed, in pieces. Raises as `read`."""
        return self._opened(name, self._storage.read(self._folder + name))

    def write_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Store a JSON object in clear text, with a code that authenticates it."""
        signed = {**document, _CODE: self._code(name, document)}
        self._storage.write(self._folder + name, [json.dumps(signed, indent=1).encode()])

    def read_document(self, name: str) -> dict[str, Any]:
        """What `write_document` stored. Raises MissingObjectError, and
        CorruptBackupError where it is not what was written under this name."""
        try:
            document: dict[str, Any] = json.loads(b"".join(self._storage.read(self._folder + name)))
            code = document.pop(_CODE)
            authentic = hmac.compare_digest(code, self._code(name, document))
        except (ValueError, LookupError, TypeError, AttributeError):
            authentic = False
        if not authentic:
            raise _corrupt(name)
        return document

    def list(self, prefix: str) -> Iterator[Entry]:
        """Objects below `prefix`, in the order of their names, with their stored sizes."""
        for entry in self._storage.list(self._folder + prefix):
            yield Entry(entry.name.removeprefix(self._folder), entry.size)

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, the first of them before all others; those that are not there are no
        error."""
        self._storage.delete(self._folder + name for name in names)

    def _sealed(self, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        salt = os.urandom(SALT_BYTES)
        cipher = self._cipher(salt)
        yield MAGIC + salt
        for nonce, frame in _numbered(chunks, FRAME):
            yield cipher.encrypt(nonce, frame, name.encode())

    def _opened(self, name: str, stored: Iterator[bytes]) -> Iterator[bytes]:
        header = bytearray()
        while len(header) < _HEADER and (chunk := next(stored, b"")):
            header += chunk
        if not header.startswith(MAGIC) or len(header) < _HEADER:
            raise _corrupt(name)
        cipher = self._cipher(bytes(header[len(MAGIC) : _HEADER]))
        for nonce, frame in _numbered(chain([bytes(header[_HEADER:])], stored), FRAME + TAG_BYTES):
            try:
                yield cipher.decrypt(nonce, frame, name.encode())
            except (InvalidTag, ValueError):  # ValueError: shorter than a tag
                raise _corrupt(name) from None

    def _cipher(self, salt: bytes) -> AESGCM:
        """The cipher of one object: it has a key of its own, so frame numbers serve as nonces."""
        return AESGCM(self._derived(salt, b"object"))

    def _code(self, name: str, document: Mapping[str, Any]) -> str:
        text = json.dumps([name, document], sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._derived(b"", b"document"), text.encode(), "sha256").hex()

    def _derived(self, salt: bytes, purpose: bytes) -> bytes:
        return HKDF(hashes.SHA256(), KEY_BYTES, salt, purpose).derive(self._key)


def open_archive(storage: Storage, vault: Vault, instance_id: str) -> Archive:
    """The archive of an instance; makes its key at the first call, sealed by `vault`.

    Raises BackupError where the key does not open, or is missing although there are objects.
    """
    name, context = f"{instance_id}/{_KEY_NAME}", f"backup-key:{instance_id}"
    with _KEYS:
        try:
            content = b"".join(storage.read(name))
        except MissingObjectError:
            if next(storage.list(f"{instance_id}/"), None):
                raise BackupError(
                    f"The backups of instance {instance_id} cannot be read or continued: their key "
                    f"{name} is missing. Put it back."
                ) from None
            sealed = vault.seal(os.urandom(KEY_BYTES).hex(), context)
            content = json.dumps({"format": 1, "key": sealed.hex()}).encode()
            storage.write(name, [content])
    try:
        key = bytes.fromhex(vault.open(bytes.fromhex(json.loads(content)["key"]), context))
    except ShardhouseError as error:
        raise BackupError(error.message) from None
    except (ValueError, KeyError, TypeError):
        raise _corrupt(name) from None
    return Archive(storage, instance_id, key)


def packed_size(size: int) -> int:
    """Bytes of an object's compressed content, of which `size` are stored."""
    framed = size - _HEADER
    return framed - -(-framed // (FRAME + TAG_BYTES)) * TAG_BYTES


class Archives:
    """The archives of instances, each with its key, which is read once. What makes a backup asks
    for the stored key anew: with one that has been lost, nobody could read it. For several threads.
    """

    def __init__(self, storage: Storage, vault: Vault) -> None:
        self._storage = storage
        self._vault = vault
        self._open: dict[str, Archive] = {}

    def of(self, instance_id: str) -> Archive:
        """The archive of an instance. Raises BackupError as `open_archive`."""
        known = self._open.get(instance_id)
        return self.renewed(instance_id) if known is None else known

    def renewed(self, instance_id: str) -> Archive:
        """The same, with the key that is stored now. Raises BackupError as `open_archive`."""
        self.forget(instance_id)
        archive = open_archive(self._storage, self._vault, instance_id)
        self._open[instance_id] = archive
        return archive

    def forget(self, instance_id: str) -> None:
        """The instance's key is not stored any more: what comes next gets another."""
        self._open.pop(instance_id, None)


class _Counted:
    """Passes chunks on, and knows how many bytes they were."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk


def _compressed(chunks: Iterable[bytes], *, again: bool) -> Iterator[bytes]:
    compressor = zstd.ZstdCompressor(options=_OPTIONS | _AGAIN if again else _OPTIONS)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def _decompressed(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = zstd.ZstdDecompressor()
    try:
        for chunk in chunks:
            yield decompressor.decompress(chunk, FRAME)
            while not (decompressor.needs_input or decompressor.eof):
                yield decompressor.decompress(b"", FRAME)
    except (zstd.ZstdError, EOFError):
        raise _corrupt(name) from None
    if not decompressor.eof or decompressor.unused_data:
        raise _corrupt(name)


def _bounded(name: str, chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise CorruptBackupError(f"The backup object {name} has more than {most} bytes.")
        yield chunk


def _numbered(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bytearray]]:
    """Frames of `size` bytes, the last one of 0 to `size`, each with its nonce: its number (11
    bytes, big-endian) and whether it is the last. So frames open only in order, and all of them.
    """
    buffer = bytearray()
    number = 0
    for chunk in chunks:
        buffer += chunk
        while len(buffer) > size:
            yield number.to_bytes(11) + b"\0", buffer[:size]
            del buffer[:size]
            number += 1
    yield number.to_bytes(11) + b"\1", buffer


def _corrupt(name: str) -> CorruptBackupError:
    return CorruptBackupError(
        f"The backup object {name} is not as it was written: damaged, cut or exchanged."
    )
