"""What a page says once, after the form that led to it: a cookie that only this installation can
read, so that nobody else can have a page say something."""

import base64
import json
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from shardhouse.console.session import PATH, Session
from shardhouse.errors import ShardhouseError
from shardhouse.store.vault import Vault

COOKIE = "shardhouse_notice"
MOST = 1_000
"""Bytes of each part: browsers keep cookies up to 4 KiB."""


@dataclass(frozen=True)
class Notice:
    """What was done, and what was refused; either may be empty."""

    done: str = ""
    refused: str = ""

    def __bool__(self) -> bool:
        return bool(self.done or self.refused)


def read(request: Request, vault: Vault, session: Session) -> Notice:
    """What a page says that a request asks for: nothing where a script asks, which shows only parts
    of it."""
    if request.headers.get("Sec-Fetch-Dest") == "empty":
        return Notice()
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(COOKIE, ""))
        return Notice(*json.loads(vault.open(sealed, _context(session))))
    except (ValueError, ShardhouseError):  # none, or of another session
        return Notice()


def write(
    response: Response, notice: Notice, vault: Vault, session: Session, *, secure: bool
) -> None:
    """Have the next page say something."""
    text = json.dumps([_short(notice.done), _short(notice.refused)], ensure_ascii=False)
    sealed = base64.urlsafe_b64encode(vault.seal(text, _context(session))).decode()
    response.set_cookie(COOKIE, sealed, path=PATH, secure=secure, httponly=True, samesite="strict")


def end(response: Response) -> None:
    """It is said."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")


def _short(text: str) -> str:
    kept = text.encode()[:MOST].decode(errors="ignore")
    return text if kept == text else f"{kept}…"


def _context(session: Session) -> str:
    return f"console notice {session.csrf}"
