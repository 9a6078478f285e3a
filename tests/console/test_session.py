"""Logging in and out of the console, and who may send its forms."""

import re
import uuid

import pytest

from tests.console.conftest import Visitor, alerts
from tests.installation import Installation

PAGES = ("", "/instances", "/instances.csv", "/instances/new", "/jobs", "/configurations")


@pytest.mark.parametrize("path", PAGES)
def test_strangers_come_to_the_login_and_go_on_from_there(
    installation: Installation, stranger: Visitor, path: str
) -> None:
    answer = stranger.get(path)
    assert answer.url.path == "/console/login"
    admin = installation.admin
    to = answer.url.params["to"]
    assert to == f"/console{path}"
    answer = stranger.log_in(admin["user_name"], admin["password"], to=to)
    assert answer.status_code == 200
    assert answer.url.path == ("/console/instances" if path == "" else to)


def test_the_login_says_what_is_wrong(installation: Installation, stranger: Visitor) -> None:
    admin = installation.admin
    answer = stranger.log_in(f"nobody-{uuid.uuid4().hex}", "wrong")
    assert answer.status_code == 401
    (problem,) = alerts(answer)
    assert "password is wrong" in problem
    assert "wrong" not in answer.text.replace(problem, "")
    answer = stranger.log_in(admin["user_name"], admin["password"], project="none")
    assert (answer.status_code, stranger.csrf) == (403, "")
    assert "may not use the project none" in alerts(answer)[0]
    assert stranger.get("/instances").url.path == "/console/login"


def test_a_login_leads_nowhere_else(installation: Installation, stranger: Visitor) -> None:
    admin = installation.admin
    for to in ("https://evil.example/", "//evil.example", "/console/\\evil.example", "/v3"):
        answer = stranger.log_in(admin["user_name"], admin["password"], to=to)
        assert answer.url.path == "/console/instances"


def test_the_cookie_is_out_of_reach(installation: Installation, visitor: Visitor) -> None:
    admin = installation.admin
    sent = {"user": admin["user_name"], "password": admin["password"], "to": ""}
    answer = visitor.http.post("/console/login", data=sent, follow_redirects=False)
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= set(cookie.split("; "))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_form_of_another_session_is_refused(visitor: Visitor) -> None:
    own = visitor.csrf
    for csrf in ("", "x", own[:-1]):
        visitor.csrf = csrf
        assert visitor.send("/logout").status_code == 403
        assert visitor.send("/instances/together", action="delete").status_code == 403
    visitor.csrf = own
    elsewhere = {"Origin": "https://evil.example"}
    answer = visitor.http.post("/console/logout", data={"csrf": own}, headers=elsewhere)
    assert answer.status_code == 403
    assert visitor.get("/instances").url.path == "/console/instances"


def test_logging_out_ends_the_token(visitor: Visitor) -> None:
    kept = dict(visitor.http.cookies)
    assert visitor.send("/logout").url.path == "/console/login"
    assert visitor.get("/instances").url.path == "/console/login"
    visitor.http.cookies.update(kept)
    assert visitor.get("/instances").url.path == "/console/login"


def test_logging_out_ends_the_tokens_of_former_projects(visitor: Visitor) -> None:
    page = visitor.get("/access").text
    found = re.search(r"Project id</dt><dd>([0-9a-f]+)<", page)
    assert found is not None
    first = dict(visitor.http.cookies)
    answer = visitor.send("/project", project=found.group(1))
    assert answer.url.path == "/console/instances"
    assert dict(visitor.http.cookies) != first
    visitor.csrf = re.findall(r'name="csrf" value="([^"]+)"', answer.text)[0]
    assert visitor.send("/logout").url.path == "/console/login"
    visitor.http.cookies.update(first)
    assert visitor.get("/instances").url.path == "/console/login"


def test_what_is_not_there_is_said(visitor: Visitor) -> None:
    answer = visitor.get("/nothing")
    assert (answer.status_code, alerts(answer)) == (404, ["There is no page /console/nothing."])
