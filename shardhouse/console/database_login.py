"""Who is logged in at the databases of one instance: a cookie that only this installation can read.

It holds a name and a password, sealed with the master key, for one session of the console and one
instance: the browser sends it to the pages of that instance's data and nowhere else, scripts cannot
read it, and it opens in no other session. The service keeps neither.
"""

import base64
import json
import time
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from shardhouse.console.session import PATH, Session
from shardhouse.errors import ShardhouseError
from shardhouse.store.vault import Vault

COOKIE = "shardhouse_data"
SECONDS = 30 * 60
"""How long a login lasts."""


@dataclass(frozen=True)
class DatabaseLogin:
    """A database user of an instance; `database` is where it lives (`authSource`)."""

    user: str
    password: str = field(repr=False)
    database: str


def read(
    request: Request, vault: Vault, session: Session, instance_id: str
) -> DatabaseLogin | None:
    """The login at an instance that a request brings, if any that still lasts."""
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(COOKIE, ""))
        known = json.loads(vault.open(sealed, _context(session, instance_id)))
    except (ValueError, ShardhouseError):  # none, or not made here
        return None
    if known["ends"] <= time.time():
        return None
    return DatabaseLogin(known["user"], known["password"], known["database"])


def write(
    response: Response,
    login: DatabaseLogin,
    vault: Vault,
    session: Session,
    instance_id: str,
    *,
    secure: bool,
) -> None:
    """Have the browser keep a login for a while; `secure` says never to send it in clear."""
    text = json.dumps(
        {
            "user": login.user,
            "password": login.password,
            "database": login.database,
            "ends": time.time() + SECONDS,
        }
    )
    sealed = base64.urlsafe_b64encode(vault.seal(text, _context(session, instance_id))).decode()
    response.set_cookie(
        COOKIE,
        sealed,
        max_age=SECONDS,
        path=_place(instance_id),
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def end(response: Response, instance_id: str) -> None:
    """Have the browser forget a login."""
    response.delete_cookie(COOKIE, path=_place(instance_id), httponly=True, samesite="strict")


def _place(instance_id: str) -> str:
    return f"{PATH}/instances/{instance_id}/data"


def _context(session: Session, instance_id: str) -> str:
    return f"console data {session.csrf} {instance_id}"
