"""Queries on access keys and tokens."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from shardhouse.store.iam import directory
from shardhouse.store.iam.records import AccessKey, Standing, TokenRow
from shardhouse.store.iam.tables import ACCESS_KEYS, TOKENS, USERS

_KEY = select(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key == bindparam("access_key"))


def add_access_key(connection: Connection, key: AccessKey) -> None:
    """Raises IntegrityError when the access key exists."""
    connection.execute(insert(ACCESS_KEYS), vars(key))


def access_key(connection: Connection, name: str) -> AccessKey | None:
    """The permanent key with that AK."""
    row = connection.execute(_KEY, {"access_key": name}).mappings().first()
    return AccessKey(**row) if row else None


def access_key_list(connection: Connection, user_id: str) -> list[AccessKey]:
    """A user's permanent keys, oldest first."""
    found = select(ACCESS_KEYS).where(ACCESS_KEYS.c.user_id == user_id)
    rows = connection.execute(found.order_by(ACCESS_KEYS.c.created_at)).mappings()
    return [AccessKey(**row) for row in rows]


def change_access_key(connection: Connection, name: str, changes: Mapping[str, Any]) -> None:
    """Set status or description."""
    connection.execute(
        update(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key == name).values(**changes)
    )


def remove_access_key(connection: Connection, name: str) -> None:
    """Signatures with it fail from now on."""
    connection.execute(delete(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key == name))


_ADD_TOKEN = insert(TOKENS)
_REMOVE_EXPIRED = delete(TOKENS).where(TOKENS.c.expires_at < bindparam("now"))


def add_token(connection: Connection, row: TokenRow) -> None:
    """Keep a token; those that expired before it was issued are swept out on the way."""
    connection.execute(_REMOVE_EXPIRED, {"now": row.issued_at})
    connection.execute(_ADD_TOKEN, {**vars(row), "methods": ",".join(row.methods)})


_TOKEN = (
    directory.standing_query(
        TOKENS.join(USERS, USERS.c.id == TOKENS.c.user_id), TOKENS.c.project_id
    )
    .add_columns(*(column.label(f"t_{column.name}") for column in TOKENS.c))
    .where(TOKENS.c.digest == bindparam("digest"))
)


def token(connection: Connection, digest: bytes) -> tuple[TokenRow, Standing] | None:
    """A token with what its user is now: one query, on every authenticated request."""
    rows = connection.execute(_TOKEN, {"digest": digest}).mappings().all()
    standing = directory.standing_of(rows)
    if standing is None:
        return None
    row = rows[0]
    return (
        TokenRow(
            digest=row["t_digest"],
            user_id=row["t_user_id"],
            project_id=row["t_project_id"],
            methods=tuple(row["t_methods"].split(",")),
            issued_at=row["t_issued_at"],
            expires_at=row["t_expires_at"],
        ),
        standing,
    )


def remove_token(connection: Connection, digest: bytes) -> None:
    """Revoke one token."""
    connection.execute(delete(TOKENS).where(TOKENS.c.digest == digest))


def remove_tokens_of(connection: Connection, user_id: str) -> None:
    """Revoke all tokens of a user."""
    connection.execute(delete(TOKENS).where(TOKENS.c.user_id == user_id))


def end_sessions(connection: Connection, user_id: str) -> None:
    """End all tokens and temporary keys of a user, for good."""
    remove_tokens_of(connection, user_id)
    generation = {"session_generation": USERS.c.session_generation + 1}
    connection.execute(update(USERS).where(USERS.c.id == user_id).values(generation))
