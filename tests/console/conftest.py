"""Somebody who is logged in to the console of the shared installation."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.installation import Installation


class Visitor:
    """A browser without JavaScript: keeps cookies, follows redirects, sends forms."""

    def __init__(self, installation: Installation) -> None:
        place = httpx.URL(installation.dds)
        self.http = httpx.Client(
            base_url=f"{place.scheme}://{place.netloc.decode()}",
            follow_redirects=True,
            timeout=30,  # pages ask databases
        )
        self.csrf = ""

    def get(self, path: str, **params: str) -> httpx.Response:
        """A page."""
        return self.http.get(f"/console{path}", params=params or None)

    def send(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """A form."""
        return self.http.post(f"/console{path}", data={"csrf": self.csrf} | fields)

    def log_in(self, user: str, password: str, **fields: str) -> httpx.Response:
        """The page behind the login, or the login with what is wrong."""
        sent = {"user": user, "password": password, "to": ""} | fields
        answer = self.http.post("/console/login", data=sent)
        found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        self.csrf = found.group(1) if found else ""
        return answer


def alerts(answer: httpx.Response) -> list[str]:
    """What a page says is wrong."""
    return re.findall(r'role="alert">([^<]*)', answer.text)


@pytest.fixture
def stranger(installation: Installation) -> Iterator[Visitor]:
    """Nobody is logged in."""
    made = Visitor(installation)
    with made.http:
        yield made


@pytest.fixture
def visitor(installation: Installation, stranger: Visitor) -> Visitor:
    """The first administrator."""
    admin = installation.admin
    answer = stranger.log_in(admin["user_name"], admin["password"])
    assert answer.url.path == "/console/instances"
    return stranger
