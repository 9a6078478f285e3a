"""One client connection's state: who it is, where it comes from, what it said of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from bson.raw_bson import RawBSONDocument

from shardhouse.router import client_metadata
from shardhouse.router.auth.scram import ServerConversation
from shardhouse.router.auth.users import User


@dataclass(slots=True)
class Login:
    """A login under way. `name` and `database` are who was named, be there such a user or not."""

    name: str
    database: str
    user: User | None
    conversation: ServerConversation
    mechanism: str
    skip_empty: bool
    verified: bool = False
    speculative: bool = False


@dataclass(slots=True)
class ClientSession:
    """The state of one connection. `identity` is `(database, name)` once logged in, with the user's
    id, so that a user dropped and created anew is not taken for the old one. `metadata` is what the
    driver said of itself in hello, `forwarded` what shards are told of it (`$client`). `tls` is the
    connection's ssl object, None without TLS. `audited` is what entries of the audit log say of the
    connection, for the user that it is about."""

    id: int
    peer: str
    local: str
    uuid: UUID = field(default_factory=uuid4)
    identity: tuple[str, str] | None = None
    user_id: Any = None
    login: Login | None = None
    metadata: Any = None
    forwarded: RawBSONDocument | None = None
    tls: Any = None
    compressors: list[str] = field(default_factory=list)
    audited: tuple[User | None, str] | None = None

    @property
    def context(self) -> str:
        """The connection's name in the log."""
        return f"conn{self.id}"

    @property
    def application(self) -> str:
        """The application's name, as the driver told it in hello."""
        return client_metadata.application(self.metadata or {})

    @property
    def peer_host(self) -> str:
        """The client's address without its port."""
        return self.peer.rpartition(":")[0].strip("[]")
