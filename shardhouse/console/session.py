"""Who is logged in: a cookie that only this installation can read.

It holds the IAM token, sealed with the master key, and never reaches the page: scripts cannot read
it, other sites cannot have it sent. It lives as long as its token; logging out revokes that.
"""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shardhouse.errors import ShardhouseError
from shardhouse.store.vault import Vault

COOKIE = "shardhouse_console"
PATH = "/console"
_CONTEXT = "console session"


@dataclass(frozen=True)
class Session:
    """`login` is the token's text and what the console needs of its content (`client.api.Client`).
    `csrf` is in every form of this session, and in no other's."""

    login: Mapping[str, Any] = field(repr=False)
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def token(self) -> str:
        """The token's text."""
        return str(self.login["text"])

    @property
    def user(self) -> str:
        """The user's name."""
        return str(self.login["token"]["user"]["name"])

    @property
    def user_id(self) -> str:
        """The user's id."""
        return str(self.login["token"]["user"]["id"])

    @property
    def project(self) -> Mapping[str, str]:
        """Id and name of the project."""
        found: Mapping[str, str] = self.login["token"]["project"]
        return found


def started(login: Mapping[str, Any]) -> Session:
    """A new session of a login in a project."""
    token = login["token"]
    kept = {name: token[name] for name in ("user", "project")}
    kept["catalog"] = [one for one in token["catalog"] if one["type"] == "ddsv3"]
    return Session({"text": login["text"], "token": kept})


def read(request: Request, vault: Vault) -> Session | None:
    """The session that a request belongs to, if any."""
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(COOKIE, ""))
        known = json.loads(vault.open(sealed, _CONTEXT))
    except (ValueError, ShardhouseError):  # none, or not made here
        return None
    return Session(known["login"], known["csrf"])


def write(response: Response, session: Session, vault: Vault, *, secure: bool) -> None:
    """Have the browser keep a session until it is closed; `secure` says never to send it in
    clear."""
    text = json.dumps({"login": session.login, "csrf": session.csrf})
    sealed = base64.urlsafe_b64encode(vault.seal(text, _CONTEXT)).decode()
    response.set_cookie(COOKIE, sealed, path=PATH, secure=secure, httponly=True, samesite="strict")


def end(response: Response) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
