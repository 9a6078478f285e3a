"""One request of a person to the console, and what pages answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shardhouse.client.api import Client
from shardhouse.console.database_login import DatabaseLogin
from shardhouse.console.session import Session
from shardhouse.iam.throttle import Throttle


@dataclass(frozen=True)
class Visit:
    """`path` are the variable parts of the path, `query` and `form` what was sent, the last value
    of each name; `choices` has all values of the form's names. `database_login` is the person's at
    the databases of the path's instance, on the pages of its data; `throttle` slows down guesses of
    passwords there that come from one `source`, an address."""

    session: Session
    client: Client
    throttle: Throttle
    source: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    database_login: DatabaseLogin | None = None

    @property
    def instance_id(self) -> str:
        """The instance that the path names."""
        return self.path["instance_id"]

    @property
    def offset(self) -> int:
        """How many items of a list are skipped; 0 where the query says nothing sensible."""
        return whole(self.query.get("offset", ""), 0)


@dataclass(frozen=True)
class Page:
    """A template of `templates/` and what it shows; `status` is HTTP's."""

    template: str
    title: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Moved:
    """Where the browser goes on, and what the page there says first: what was done, what was
    `refused`."""

    to: str
    notice: str = ""
    refused: str = ""


@dataclass(frozen=True)
class LoggedIn:
    """Where the browser goes on with another login at the databases of the path's instance, or with
    none any more."""

    to: str
    login: DatabaseLogin | None


@dataclass(frozen=True)
class File:
    """Something to keep: its name, its content as text."""

    name: str
    text: str
    media_type: str = "text/csv; charset=utf-8"


Answer = Page | Moved | LoggedIn | File


def whole(text: str, usual: int) -> int:
    """A whole number that was typed; the usual one for what is none, or too large for a server."""
    return int(text) if text.isdecimal() and len(text) < 10 else usual
