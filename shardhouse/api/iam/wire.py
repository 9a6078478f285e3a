"""What all IAM resources share on the wire: typed fields, links, lists, moments, addresses."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from fastapi import Request

from shardhouse.errors import IamError
from shardhouse.settings import Settings

MAX_PER_PAGE = 5000


class Fields:
    """A JSON object read strictly: each getter raises IamError 400 that names the field."""

    def __init__(self, content: Mapping[str, Any], path: str = "") -> None:
        self._content = content
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._content.get(name) is not None

    def object(self, name: str) -> "Fields":
        """A required object."""
        return Fields(self._required(name, dict, "an object"), f"{self._path}{name}.")

    def optional_object(self, name: str) -> "Fields":
        """An object, empty where it is absent."""
        return self.object(name) if name in self else Fields({}, f"{self._path}{name}.")

    def text(self, name: str) -> str:
        """A required string."""
        return _encodable(self._required(name, str, "a string"), self._path + name)

    def optional_text(self, name: str) -> str | None:
        """A string, or None where it is absent or null."""
        return self.text(name) if name in self else None

    def optional_flag(self, name: str) -> bool | None:
        """A boolean, or None where it is absent or null."""
        return self._required(name, bool, "a boolean") if name in self else None

    def optional_number(self, name: str) -> int | None:
        """An integer, or None where it is absent or null."""
        if name not in self:
            return None
        if isinstance(self._content[name], bool):
            raise IamError(f"{self._path}{name}: an integer is expected, it is a bool.")
        return cast(int, self._required(name, int, "an integer"))

    def texts(self, name: str) -> tuple[str, ...]:
        """A required list of strings."""
        found = self._required(name, list, "a list of strings")
        if not all(isinstance(item, str) for item in found):
            raise IamError(f"{self._path}{name}: a list of strings is expected.")
        return tuple(_encodable(item, self._path + name) for item in found)

    def optional_texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, empty where it is absent or null."""
        return self.texts(name) if name in self else ()

    def objects(self, name: str) -> tuple["Fields", ...]:
        """A required list of objects."""
        found = self._required(name, list, "a list of objects")
        if not all(isinstance(item, dict) for item in found):
            raise IamError(f"{self._path}{name}: a list of objects is expected.")
        return tuple(Fields(item, f"{self._path}{name}.") for item in found)

    def gives(self, name: str) -> bool:
        """Whether the field is there, null or not."""
        return name in self._content

    def value(self, name: str) -> Any:
        """Whatever JSON value the field has; None where it is absent."""
        return self._content.get(name)

    def _required(self, name: str, kind: type[Any], words: str) -> Any:
        value = self._content.get(name)
        if value is None:
            raise IamError(f"{self._path}{name}: {words} is required.")
        if not isinstance(value, kind):
            raise IamError(
                f"{self._path}{name}: {words} is expected, it is a {type(value).__name__}."
            )
        return value


def _encodable(text: str, name: str) -> str:
    # JSON can carry half a surrogate pair and NUL, which no database stores.
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise IamError(f"{name}: valid Unicode text without NUL is expected.")
    return text


def settings_of(request: Request) -> Settings:
    """The application's `state.settings`."""
    return cast(Settings, request.app.state.settings)


def moment(value: datetime) -> str:
    """`2026-01-31T23:59:59.000000Z`."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def base_url(request: Request) -> str:
    """Where the client reached this service: scheme and Host, without a trailing slash."""
    return f"{request.url.scheme}://{request.url.netloc}"


def link(request: Request, path: str) -> dict[str, str]:
    """`links` of one thing."""
    return {"self": base_url(request) + path}


def iam_url(request: Request) -> str:
    """IAM's address for the catalog."""
    settings = settings_of(request)
    return _url(request, settings.iam_endpoint, settings.iam_url(), settings.iam_port)


def dds_url(request: Request) -> str:
    """The DDS API's address for the catalog."""
    settings = settings_of(request)
    return _url(request, settings.dds_endpoint, settings.dds_url(), settings.port)


def _url(request: Request, explicit: str | None, default: str, port: int) -> str:
    # A client that came in by another name than the one bound to (a wildcard address, a forwarded
    # port) gets addresses under the name it knows.
    host = request.url.hostname
    if explicit or host is None or host == settings_of(request).host:
        return default
    return f"{request.url.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def listing(request: Request, name: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A list with its `links`; `page` and `per_page` cut it when both are given.

    Raises IamError 400 for values that are not 1 to 5000 (`per_page`) or not positive (`page`).
    """
    path = request.url.path
    links: dict[str, str | None] = {"previous": None, "next": None}
    page, per_page = _number(request, "page"), _number(request, "per_page")
    if page and per_page:
        if per_page > MAX_PER_PAGE:
            raise IamError(f"per_page: 1 to {MAX_PER_PAGE}, it is {per_page}.")
        if page > 1:
            links["previous"] = _page_url(request, page - 1)
        if page * per_page < len(items):
            links["next"] = _page_url(request, page + 1)
        items = items[(page - 1) * per_page : page * per_page]
    query = f"?{request.url.query}" if request.url.query else ""
    return {name: items, "links": {"self": f"{base_url(request)}{path}{query}", **links}}


def flag(request: Request, name: str) -> bool | None:
    """A boolean of the query, None where it is absent. Raises IamError 400."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false", "1", "0"):
        raise IamError(f"{name}: true or false is expected, it is {value}.")
    return value.lower() in ("true", "1")


def _number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not re.fullmatch("[1-9][0-9]{0,8}", value):
        raise IamError(f"{name}: a positive number is expected, it is {value}.")
    return int(value)


def _page_url(request: Request, page: int) -> str:
    query = dict(request.query_params) | {"page": str(page)}
    return f"{base_url(request)}{request.url.path}?{urlencode(query)}"
