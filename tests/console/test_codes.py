"""Logging in with a link: `shardhouse open`, and who may follow it."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from shardhouse.cli import directory
from shardhouse.cli.credentials import from_admin_file
from shardhouse.client.api import Client
from shardhouse.client.errors import RefusalError
from shardhouse.console import session
from shardhouse.console.codes import MOST, SECONDS, Codes
from tests.console.conftest import Visitor, alerts
from tests.console.test_requests import LOGIN
from tests.installation import Installation


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    """The first administrator, as commands act."""
    with Client(from_admin_file(installation.admin, installation.data_dir)) as made:
        yield made


def press(visitor: Visitor, link: str) -> httpx.Response:
    """The button of the page that a link shows."""
    sent = httpx.URL(link)
    return visitor.http.post(sent.copy_with(query=None), data=dict(sent.params))


def test_a_link_logs_in_once(client: Client, stranger: Visitor) -> None:
    link = client.console_link("/console/jobs")
    answer = press(stranger, link)
    assert answer.url.path == "/console/jobs"
    (login,) = answer.history
    assert {"HttpOnly", "SameSite=strict"} <= set(login.headers["Set-Cookie"].split("; "))
    assert login.headers["Referrer-Policy"] == "same-origin"
    again = stranger.http.get(link)
    assert again.status_code == 403
    assert "was used" in alerts(again)[0]
    assert stranger.get("/instances").url.path == "/console/instances"


def test_of_two_at_once_one_learns_that_the_link_was_used(
    client: Client, installation: Installation
) -> None:
    link = client.console_link()
    together = Barrier(2)

    def one(_: int) -> httpx.Response:
        visitor = Visitor(installation)
        with visitor.http:
            together.wait(30)
            return press(visitor, link)

    with ThreadPoolExecutor(2) as pool:
        entered, late = sorted(pool.map(one, range(2)), key=lambda answer: answer.status_code)
    assert entered.url.path == "/console/instances"
    assert late.status_code == 403
    assert "somebody else has logged in with it" in alerts(late)[0]


def test_its_session_and_the_command_s_end_apart(client: Client, stranger: Visitor) -> None:
    page = press(stranger, client.console_link())
    stranger.csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
    assert stranger.send("/logout").url.path == "/console/login"
    assert client.projects_of(str(client.login["text"]))  # the token of the command goes on


@pytest.mark.parametrize("site", ["none", "cross-site", ""])
def test_a_link_alone_logs_nobody_in(client: Client, stranger: Visitor, site: str) -> None:
    """Also if no page had it, as in a mail ("none")."""
    link = client.console_link("https://evil.example/")
    code = httpx.URL(link).params["code"]
    page = stranger.http.get(link, headers={"Sec-Fetch-Site": site})
    assert page.status_code == 200
    assert f"Log in as {client.credentials.user}" in page.text
    assert not stranger.http.cookies
    elsewhere = {"Origin": "https://evil.example"}
    answer = stranger.http.post("/console/enter", data={"code": code}, headers=elsewhere)
    assert answer.status_code == 403
    assert not stranger.http.cookies
    answer = stranger.http.post("/console/enter", data={"code": code, "to": "//evil.example"})
    assert answer.url.path == "/console/instances"


def test_nobody_s_session_is_replaced_unasked(client: Client, stranger: Visitor) -> None:
    other = {"name": "other", "password": "Other#2026"}
    made = client.iam("POST", "v3/users", {"user": other})["user"]
    reader = directory.role(client, "readonly")["id"]
    path = f"v3/projects/{client.project_id}/users/{made['id']}/roles/{reader}"
    client.iam("PUT", path)
    try:
        stranger.log_in(other["name"], other["password"])
        page = stranger.http.get(client.console_link())
        assert "Your present session, as user <b>other</b>, ends" in page.text
    finally:
        client.iam("DELETE", f"v3/users/{made['id']}")


def test_only_who_has_a_token_gets_a_code(client: Client, stranger: Visitor) -> None:
    path = "/console/codes"
    wanted = {"project_id": client.project_id}
    answer = stranger.http.post(path, json=wanted, headers={"X-Auth-Token": "x"})
    assert answer.status_code == 401
    assert answer.json()["error_msg"]
    token = {"X-Auth-Token": str(client.login["text"])}
    assert stranger.http.post(path, json={}, headers=token).status_code == 400
    unknown = {"project_id": "0" * 32}
    assert stranger.http.post(path, json=unknown, headers=token).status_code in (401, 403, 404)


def test_codes_are_good_for_a_minute_and_few_are_kept() -> None:
    now = 0.0
    codes = Codes(lambda: now)
    somebody = session.started(LOGIN)
    first = codes.make(somebody)
    for _ in range(MOST):
        last = codes.make(somebody)
    assert codes.meant(first) is None
    assert codes.meant(last) is somebody
    now = SECONDS
    assert codes.meant(last) is None
    assert codes.spend(last) is None
    assert codes.spend("") is None


def test_a_command_s_login_ends_with_it_but_not_what_it_was_given_or_gave(
    installation: Installation, stranger: Visitor
) -> None:
    known = from_admin_file(installation.admin, installation.data_dir)
    with Client(known) as command:
        link = command.console_link()
        with Client(known, login=command.login) as helper:
            assert helper.dds("GET", "instances", params={"limit": "1"})
        assert command.dds("GET", "instances", params={"limit": "1"})
    with Client(known, login=command.login) as late, pytest.raises(RefusalError) as error:
        late.iam("GET", "v3/auth/projects")
    assert error.value.status == 401
    assert press(stranger, link).url.path == "/console/instances"


def test_a_service_that_is_gone_is_no_trouble_at_the_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            raise httpx.ConnectError("gone")
        return httpx.Response(
            201, json={"token": {"user": {"id": "u"}}}, headers={"X-Subject-Token": "t"}
        )

    admin = {"iam_endpoint": "http://iam.test", "user_name": "a", "password": "p"}
    names = ("domain_name", "project_id", "project_name", "region")
    known = from_admin_file(admin | dict.fromkeys(names, "x"), Path("/nowhere"))
    with Client(known, httpx.MockTransport(answer)) as command:
        assert command.user_id == "u"
