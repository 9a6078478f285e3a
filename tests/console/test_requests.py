"""What holds for all requests to the console, with applications behind it that we make up."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shardhouse.console import app, session
from shardhouse.console.app import Console
from shardhouse.settings import Settings
from shardhouse.store.vault import Vault

VAULT = Vault(b"k" * 32)
PLACE = "http://same.example"
LOGIN = {
    "text": "token",
    "token": {
        "user": {"id": "u", "name": "somebody", "domain": {"id": "d"}},
        "project": {"id": "p", "name": "project"},
        "catalog": [
            {
                "type": "ddsv3",
                "endpoints": [{"interface": "public", "region": "r", "url": f"{PLACE}/v3/p"}],
            }
        ],
    },
}

INSTANCE = {
    "id": "i",
    "name": "one",
    "mode": "ReplicaSet",
    "status": "normal",
    "actions": [],
    "db_user_name": "rwuser",
    "groups": [
        {"type": "replica", "nodes": [{"id": "n", "name": "node", "role": "Primary", "host": "h"}]}
    ],
}


def api(answer: Callable[[Request], Response]) -> Starlette:
    async def answered(request: Request) -> Response:
        return answer(request)

    return Starlette(
        routes=[Route("/{path:path}", answered, methods=["GET", "POST", "PUT", "DELETE"])]
    )


def nothing(_request: Request) -> Response:
    return JSONResponse({"error_msg": "no"}, 404)


def asked(
    *requests: tuple[str, str, dict[str, Any]],
    iam: Callable[[Request], Response] = nothing,
    dds: Callable[[Request], Response] = nothing,
    known: bool = True,
) -> list[httpx.Response]:
    """The answers to requests: method, path, and what httpx takes besides. `{csrf}` in the content
    is the session's."""
    settings = Settings(dds_endpoint=PLACE, iam_endpoint=PLACE)
    console = Console(settings, VAULT, api(iam), api(dds))
    somebody = session.started(LOGIN)
    kept = Response()
    session.write(kept, somebody, VAULT, secure=False)
    name, _, value = kept.headers["set-cookie"].split(";")[0].partition("=")

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(console.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=PLACE, cookies={name: value} if known else {}
        ) as client:
            answers = []
            for method, path, more in requests:
                form = more.get("data")
                sent = {**more, "data": {**form, "csrf": somebody.csrf}} if form else more
                answers.append(await client.request(method, f"/console{path}", **sent))
            return answers

    return anyio.run(run)


def test_a_large_body_of_nobody_is_not_read() -> None:
    content = b"a=&" * 300_000
    for path in ("/logout", "/project", "/instances/together"):
        (answer,) = asked(("POST", path, {"content": content}), known=False)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/console/login")


def test_what_cannot_be_taken_is_a_page() -> None:
    answers = asked(
        ("POST", "/logout", {"content": b"a=&" * 20_000}),
        ("POST", "/logout", {"content": b"x" * (app.BODY_LIMIT + 1)}),
        ("GET", "/logout", {}),
        ("GET", "/nothing", {}),
    )
    assert [one.status_code for one in answers] == [400, 413, 405, 404]
    for answer in answers:
        assert "default-src" in answer.headers["Content-Security-Policy"]
        assert 'role="alert"' in answer.text
        assert "somebody" in answer.text
    assert answers[2].headers["Allow"] == "POST"


def test_a_failure_of_the_console_or_an_api_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_request: Request) -> Response:
        raise RuntimeError("secret detail")

    def odd(_request: Request) -> Response:
        return JSONResponse({"instances": "odd"})

    for dds, status in ((fails, 500), (odd, 500)):
        (answer,) = asked(("GET", "/instances", {}), dds=dds)
        assert answer.status_code == status
        assert 'role="alert"' in answer.text
        assert "default-src" in answer.headers["Content-Security-Policy"]
        assert "secret detail" not in answer.text


def test_iam_and_dds_may_have_one_address() -> None:
    seen: list[str] = []

    def dds(request: Request) -> Response:
        seen.append(request.url.path)
        return JSONResponse({"instances": [], "total_count": 0})

    def iam(request: Request) -> Response:
        seen.append(str(request.url))
        return nothing(request)

    (answer,) = asked(("GET", "/instances", {}), dds=dds, iam=iam)
    assert answer.status_code == 200
    assert seen == ["/v3/p/instances"]
    asked(("POST", "/project", {"data": {"project": "q"}}), iam=iam)
    assert seen[1:] == [f"{PLACE}/v3/auth/tokens"]


def test_a_log_out_works_when_the_token_is_over() -> None:
    def over(_request: Request) -> Response:
        return JSONResponse({"error": {"title": "Unauthorized", "message": "over"}}, 401)

    (answer,) = asked(("POST", "/logout", {"data": {"x": ""}}), iam=over)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/login")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


def test_a_form_of_an_ended_session_leads_back_to_its_page() -> None:
    def over(_request: Request) -> Response:
        return JSONResponse({"error_msg": "over"}, 401)

    referer = f"{PLACE}/console/backups/new?instance_id=1"
    answers = asked(
        ("POST", "/backups/new", {"data": {"name": "x"}, "headers": {"Referer": referer}}),
        ("POST", "/backups/new", {"data": {"name": "x"}}),
        ("POST", "/backups/new", {"data": {"name": "x"}, "headers": {"Referer": "https://e/x"}}),
        ("GET", "/login?to=%2Fconsole%2Fjobs&unsent=1", {}),
        dds=over,
    )
    places = [httpx.URL(one.headers.get("Location", "")).params.get("to") for one in answers]
    first = "/console/instances"
    assert places == ["/console/backups/new?instance_id=1", first, first, None]
    assert "was not taken" in answers[3].text


def test_logins_do_not_keep_pages_waiting() -> None:
    """Logins that wait take none of the threads of pages."""
    released = threading.Event()

    async def waits(request: Request) -> Response:
        await anyio.to_thread.run_sync(released.wait)
        return JSONResponse({"error": {"title": "", "message": "no"}}, 401)

    def none(_request: Request) -> Response:
        return JSONResponse({"instances": [], "total_count": 0})

    settings = Settings(dds_endpoint=PLACE, iam_endpoint=PLACE)
    slow = Starlette(routes=[Route("/{path:path}", waits, methods=["POST"])])
    console = Console(settings, VAULT, slow, api(none))
    kept = Response()
    session.write(kept, session.started(LOGIN), VAULT, secure=False)
    headers = {"Cookie": kept.headers["set-cookie"].split(";")[0]}

    async def run() -> tuple[int, list[int]]:
        statuses: list[int] = []
        transport = httpx.ASGITransport(console.app)
        async with httpx.AsyncClient(transport=transport, base_url=PLACE) as client:

            async def log_in() -> None:
                form = {"user": "u", "password": "p"}
                statuses.append((await client.post("/console/login", data=form)).status_code)

            async with anyio.create_task_group() as group:
                for _ in range(2 * sum(app.THREADS.values())):
                    group.start_soon(log_in)
                await anyio.wait_all_tasks_blocked()
                try:
                    page = await client.get("/console/instances", headers=headers)
                finally:
                    released.set()
        return page.status_code, statuses

    status, statuses = anyio.run(run)
    assert status == 200
    assert set(statuses) == {401}


def test_odd_input_is_no_failure() -> None:
    def none(_request: Request) -> Response:
        return JSONResponse({"events": [], "instances": [], "total_count": 0})

    (answer,) = asked(("GET", f"/events?offset={'1' * 5000}", {}), dds=none)
    assert answer.status_code == 200


def test_what_is_typed_stays_one_part_of_a_path() -> None:
    seen: list[bytes] = []

    def iam(request: Request) -> Response:
        seen.append(request.scope["raw_path"])
        return nothing(request)

    form = {"role_target": "projects/../domains", "role_user": "a/b", "role_name": ".."}
    asked(
        ("POST", "/access/roles", {"data": form}),
        ("POST", "/alarms/a%3Fb/delete", {"data": {"x": ""}}),
        iam=iam,
    )
    assert seen[0] == b"/v3/projects/..%2Fdomains/users/a%2Fb/roles/%2E%2E"
    assert b"/V1.0/p/alarms/a%3Fb" in seen


@pytest.mark.parametrize(
    "tab", ["users", "logs", "slow-queries", "slow-queries/list", "operations"]
)
def test_what_is_refused_is_not_shown_as_nothing(tab: str) -> None:
    def dds(request: Request) -> Response:
        if request.url.path.endswith("/instances"):
            return JSONResponse({"instances": [INSTANCE], "total_count": 1})
        if request.url.path.endswith("-desensitization/status"):
            return JSONResponse({"status": "on"})
        return JSONResponse({"error_msg": "It is forbidden."}, 403)

    (answer,) = asked(("GET", f"/instances/i/{tab}", {}), dds=dds)
    assert (answer.status_code, answer.text.count("It is forbidden.")) == (200, 1)
    assert 'class="empty"' not in answer.text
    assert "0 slow" not in answer.text
    assert "<th>Roles</th>" not in answer.text


def test_a_notice_is_said_once_and_nobody_else_s() -> None:
    def dds(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"instances": [], "total_count": 0})
        return JSONResponse({"error_msg": "No " + "x" * 3000}, 403)

    form = {"action": "back up", "instance": ["i", "j"]}
    answers = asked(
        ("GET", "/instances?notice=forged", {}),
        ("POST", "/instances/together", {"data": form}),
        ("GET", "/instances", {"headers": {"Sec-Fetch-Dest": "empty"}}),
        ("GET", "/instances", {}),
        ("GET", "/instances", {}),
        dds=dds,
    )
    assert "forged" not in answers[0].text
    assert answers[1].headers["Location"] == "/console/instances"
    assert len(answers[1].headers["Set-Cookie"]) < 4096
    said = ["Asked for 0 of 2 instances." in one.text for one in answers[2:]]
    assert said == [False, True, False]
    assert "No xxx" in answers[3].text


def test_a_moment_to_restore_to_is_in_utc() -> None:
    def dds(_request: Request) -> Response:
        return JSONResponse({"instances": [INSTANCE], "total_count": 1})

    place = "/restore?instance_id=i&at=2026-03-01T12:30:00"
    first, second = asked(("GET", place, {}), ("GET", f"{place}%2B02:00", {}), dds=dds)
    assert "one as it was at 2026-03-01 12:30:00 UTC" in first.text
    assert second.status_code == 400
    assert "in UTC" in second.text


def test_jobs_lead_to_instances_that_are_there() -> None:
    def dds(request: Request) -> Response:
        if request.url.path.endswith("/instances"):
            return JSONResponse({"instances": [INSTANCE], "total_count": 1})
        jobs = [
            {
                "id": f"job-{one}",
                "name": "DeleteInstance",
                "instance_id": one,
                "instance_name": f"name-{one}",
                "status": "Failed",
                **dict.fromkeys(("progress", "created_at", "ended_at", "fail_reason"), ""),
            }
            for one in ("i", "gone")
        ]
        return JSONResponse({"jobs": jobs, "total_count": 2})

    (answer,) = asked(("GET", "/jobs", {}), dds=dds)
    assert 'href="/console/instances/i">name-i<' in answer.text
    assert "name-gone" in answer.text
    assert 'href="/console/instances/gone"' not in answer.text


def test_changing_the_project_ends_the_former_token() -> None:
    ended: list[str] = []

    def iam(request: Request) -> Response:
        if request.method == "DELETE":
            ended.append(request.headers["X-Subject-Token"])
            return Response(status_code=204)
        if request.url.path == "/v3/auth/projects":
            return JSONResponse({"projects": [{"id": "p", "name": "project"}]})
        text = f"new-{len(ended)}"
        return JSONResponse({"token": LOGIN["token"]}, 201, {"X-Subject-Token": text})

    asked(("POST", "/project", {"data": {"project": "q"}}), iam=iam)
    assert ended == ["token"]
    ended.clear()
    asked(("POST", "/login", {"data": {"user": "u", "password": "p"}}), iam=iam, known=False)
    assert ended == ["new-0"]
