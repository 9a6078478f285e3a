"""The console as an ASGI application: a person's request, a page's answer, and what holds for all.

Handlers are threads of their own pools: they wait for calls to the APIs, whose handlers need
threads as well.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import anyio.to_thread
import httpx
import structlog
from anyio import CapacityLimiter
from jinja2 import Environment
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from shardhouse.api.bodies import ANONYMOUS_BODY_LIMIT, BODY_LIMIT, LargeBodies, read_body
from shardhouse.client.api import Client
from shardhouse.client.credentials import Credentials
from shardhouse.client.errors import RefusalError
from shardhouse.console import database_login, notices, rendering, session
from shardhouse.console.codes import Codes
from shardhouse.console.database_login import DatabaseLogin
from shardhouse.console.in_process import IAM_URL, InProcess
from shardhouse.console.notices import Notice
from shardhouse.console.session import PATH, Session
from shardhouse.console.table import PAGES
from shardhouse.console.visit import Answer, File, LoggedIn, Moved, Page, Visit
from shardhouse.errors import ApiError, ShardhouseError
from shardhouse.iam.clock import utc_now
from shardhouse.iam.throttle import Throttle
from shardhouse.settings import Settings
from shardhouse.store.vault import Vault

#: Handlers at a time, by what they do: neither logins, which are anybody's and slow on purpose, nor
#: databases that do not answer keep the other pages waiting.
THREADS = {"pages": 8, "logins": 2, "data": 3}
MOST_FIELDS = 10_000
"""Of a form."""
log = structlog.get_logger()
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_LOGIN = f"{PATH}/login"
_DATA = "/instances/{instance_id}/data"

Handler = Callable[[Visit], Answer]


class Console:
    """Pages over the two APIs' applications."""

    def __init__(self, settings: Settings, vault: Vault, iam: ASGIApp, dds: ASGIApp) -> None:
        self._settings = settings
        self._vault = vault
        self._iam = iam
        self._dds = dds
        self._templates: Environment = rendering.environment()
        self._throttle = Throttle(utc_now)
        self._codes = Codes()
        self._limiters = {name: CapacityLimiter(most) for name, most in THREADS.items()}
        folder = os.path.join(os.path.dirname(__file__), "static")
        routes = [
            Mount(f"{PATH}/static", StaticFiles(directory=folder)),
            Route(_LOGIN, self._login, methods=["GET", "POST"]),
            Route(f"{PATH}/codes", self._make_code, methods=["POST"]),
            Route(f"{PATH}/enter", self._enter, methods=["GET", "POST"]),
            Route(f"{PATH}/logout", self._logout, methods=["POST"]),
            Route(f"{PATH}/project", self._change_project, methods=["POST"]),
            *(
                Route(
                    PATH + path,
                    self._served(handler, "data" if path.startswith(_DATA) else "pages"),
                    methods=[method],
                )
                for method, path, handler in PAGES
            ),
        ]
        self.app = Starlette(
            routes=routes,
            exception_handlers={
                HTTPException: self._missing,
                ApiError: self._not_taken,
                Exception: self._broken,
            },
        )
        self.app.add_middleware(LargeBodies)

    # What holds for all pages

    def _served(self, handler: Handler, threads: str) -> Callable[[Request], object]:
        async def serve(request: Request) -> Response:
            known = session.read(request, self._vault)
            if known is None:
                return self._to_login(request)
            form: dict[str, list[str]] = {}
            if request.method == "POST":
                form = await _form(request, BODY_LIMIT)
                if not _is_own(request, form, known):
                    return self._refused(request, known)
            query = dict(request.query_params)
            last = {name: values[-1] for name, values in form.items()}

            def answered() -> Response:
                with self._client(request, known) as client:
                    login = self._database_login(request, known)
                    visit = Visit(
                        known,
                        client,
                        self._throttle,
                        _source(request)[0],
                        request.path_params,
                        query,
                        last,
                        form,
                        login,
                    )
                    try:
                        return self._response(request, known, handler(visit))
                    except RefusalError as error:
                        if error.status == 401:
                            return self._to_login(request)
                        return self._failed(request, known, error, error.status)
                    except ShardhouseError as error:
                        return self._failed(request, known, error, 502)

            return await self._in_thread(answered, threads)

        return serve

    def _database_login(self, request: Request, known: Session) -> DatabaseLogin | None:
        instance_id = request.path_params.get("instance_id", "")
        return database_login.read(request, self._vault, known, instance_id)

    async def _in_thread(self, work: Callable[[], Response], threads: str) -> Response:
        return await anyio.to_thread.run_sync(work, limiter=self._limiters[threads])

    def _client(self, request: Request, known: Session | None, **who: str) -> Client:
        transport = InProcess(
            self._iam, self._dds, httpx.URL(self._settings.iam_url()), _source(request)
        )
        credentials = Credentials(
            auth_url=IAM_URL,
            user=known.user if known else who["user"],
            password="" if known else who["password"],
            user_domain=who.get("domain", ""),
            project_id=None,
            project_name=None,
            project_domain="",
            region=None,
            data_dir=None,
        )
        return Client(credentials, transport, known.login if known else None)

    def _response(self, request: Request, known: Session | None, answer: Answer) -> Response:
        match answer:
            case Moved():
                response: Response = RedirectResponse(answer.to, 303)
                said = Notice(answer.notice, answer.refused)
                if known and said:
                    notices.write(response, said, self._vault, known, secure=_is_secure(request))
            case LoggedIn():
                response = RedirectResponse(answer.to, 303)
                instance_id = request.path_params["instance_id"]
                if known and answer.login:
                    database_login.write(
                        response,
                        answer.login,
                        self._vault,
                        known,
                        instance_id,
                        secure=_is_secure(request),
                    )
                else:
                    database_login.end(response, instance_id)
            case File():
                response = Response(answer.text, media_type=answer.media_type)
                name = quote(answer.name)
                response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
            case Page():
                notice = notices.read(request, self._vault, known) if known else Notice()
                text = self._templates.get_template(answer.template).render(
                    session=known,
                    csrf=partial(_csrf_field, known),
                    title=answer.title,
                    place=request.url.path,
                    notice=notice,
                    **answer.shown,
                )
                response = Response(text, answer.status, media_type="text/html")
                if notice:
                    notices.end(response)
        response.headers.update(_HEADERS)
        return response

    def _failed(
        self, request: Request, known: Session | None, error: ShardhouseError, status: int
    ) -> Response:
        page = Page("error.html", "The request failed", {"message": error.message}, status)
        return self._response(request, known, page)

    def _refused(self, request: Request, known: Session | None) -> Response:
        message = "This form belongs to another session. Load the page again and send it anew."
        return self._failed(request, known, ShardhouseError(message), 403)

    async def _missing(self, request: Request, error: Exception) -> Response:
        """404, or 405 for a path that takes forms alone."""
        assert isinstance(error, HTTPException)
        known = session.read(request, self._vault)
        message = f"There is no page {request.url.path}."
        response = self._failed(request, known, ShardhouseError(message), error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def _not_taken(self, request: Request, error: Exception) -> Response:
        """A form that is too large, or comes while there are too many of those."""
        assert isinstance(error, ApiError)
        return self._failed(request, session.read(request, self._vault), error, error.status)

    async def _broken(self, request: Request, error: Exception) -> Response:
        log.error("console page failed", path=request.url.path, exc_info=error)
        unknown = ShardhouseError("The page failed; the service's log says why.")
        return self._failed(request, session.read(request, self._vault), unknown, 500)

    # Logging in and out

    def _to_login(self, request: Request) -> Response:
        """To the login, and from there back to the page that was asked for, or that a form was
        on."""
        unsent = request.method == "POST"
        place = urlsplit(request.headers.get("Referer", "") if unsent else str(request.url))
        to = f"{place.path}?{place.query}" if place.query else place.path
        query = {"to": _inside(to), "unsent": "1"} if unsent else {"to": to}
        response = RedirectResponse(f"{_LOGIN}?{urlencode(query)}", 303)
        response.headers.update(_HEADERS)
        return response

    async def _login(self, request: Request) -> Response:
        if request.method == "GET":
            to, unsent = (request.query_params.get(name, "") for name in ("to", "unsent"))
            return self._response(request, None, _login_page(to, unsent=bool(unsent)))
        form = await _form(request, ANONYMOUS_BODY_LIMIT)
        if not _same_origin(request):
            return self._refused(request, None)
        given = {name: values[-1] for name, values in form.items()}
        domain = given.get("domain") or self._settings.domain_name
        who = {"user": given.get("user", ""), "password": given.get("password", "")}

        def answered() -> Response:
            try:
                with self._client(request, None, domain=domain, **who) as client:
                    login = _log_in(client, domain, given.get("project", ""))
            except ShardhouseError as error:
                status = error.status if isinstance(error, RefusalError) else 502
                message = error.reason if isinstance(error, RefusalError) else error.message
                page = _login_page(given.get("to", ""), given, message, status)
                return self._response(request, None, page)
            response = self._response(request, None, Moved(_inside(given.get("to", ""))))
            self._keep(request, response, session.started(login))
            return response

        return await self._in_thread(answered, "logins")

    async def _make_code(self, request: Request) -> Response:
        """A code for the holder of a token, in one of the holder's projects: a call of programs,
        with JSON. Its session has a token of its own, so neither ends with the other's log-out."""
        body = await read_body(request, ANONYMOUS_BODY_LIMIT)
        token = request.headers.get("X-Auth-Token", "")

        def answered() -> Response:
            try:
                project_id = str(json.loads(body)["project_id"])
            except (ValueError, KeyError, TypeError):
                wrong = RefusalError(400, "", "A JSON object with project_id is required.")
                return _refusal(wrong)
            try:
                with self._client(request, None, user="", password="") as client:
                    login = client.issue(_by_token(token, project_id))
            except RefusalError as error:
                return _refusal(error)
            except ShardhouseError as error:
                return _refusal(RefusalError(502, "", error.message))
            return JSONResponse(
                {"code": self._codes.make(session.started(login))}, headers=_HEADERS
            )

        return await self._in_thread(answered, "pages")

    async def _enter(self, request: Request) -> Response:
        """Ask whether a login with a code is meant; the button of that page logs in.

        A link that logged in whoever follows it could lead somebody into a session of another, to
        leave secrets there, and browsers do not tell a link that a program opened from one that
        came with a mail. So every link shows whose session it is, and only our own page can send
        its form. The referrer policy keeps the code from other sites, and it is good once.
        """
        known = session.read(request, self._vault)
        if request.method != "POST":
            code, to = (request.query_params.get(name, "") for name in ("code", "to"))
            meant = self._codes.meant(code)
            if meant is None:
                return self._spent(request, known)
            other = known.user if known and known.user_id != meant.user_id else ""
            shown = {"code": code, "to": to, "user": meant.user, "other": other}
            page = Page("enter.html", "Log in", shown | {"project": meant.project["name"]})
            return self._response(request, None, page)
        form = await _form(request, ANONYMOUS_BODY_LIMIT)
        if not _same_origin(request):
            return self._refused(request, None)
        sent = {name: values[-1] for name, values in form.items()}

        def answered() -> Response:
            entered = self._codes.spend(sent.get("code", ""))
            if entered is None:
                return self._spent(request, known)
            if known:
                with self._client(request, known) as client:
                    _end(client, known.token)
            response = self._response(request, None, Moved(_inside(sent.get("to", ""))))
            self._keep(request, response, entered)
            return response

        return await self._in_thread(answered, "pages")

    def _spent(self, request: Request, known: Session | None) -> Response:
        """For a code that begins no session, or none any more."""
        message = (
            "This link is older than a minute, or was used. If it was not you who used it, "
            "somebody else has logged in with it. `shardhouse open` makes another."
        )
        return self._failed(request, known, ShardhouseError(message), 403)

    async def _change_project(self, request: Request) -> Response:
        known = session.read(request, self._vault)
        if known is None:
            return self._to_login(request)
        form = await _form(request, BODY_LIMIT)
        if not _is_own(request, form, known):
            return self._refused(request, known)
        wanted = form.get("project", [""])[-1]

        def answered() -> Response:
            with self._client(request, known) as client:
                try:
                    login = client.issue(_by_token(known.token, wanted))
                except RefusalError as error:
                    if error.status == 401:
                        return self._to_login(request)
                    return self._failed(request, known, error, error.status)
                _end(client, known.token)
            response = self._response(request, known, Moved(f"{PATH}/instances"))
            self._keep(request, response, session.started(login))
            return response

        return await self._in_thread(answered, "pages")

    async def _logout(self, request: Request) -> Response:
        known = session.read(request, self._vault)
        if known is None:
            return self._response(request, None, Moved(_LOGIN))
        form = await _form(request, BODY_LIMIT)
        if not _is_own(request, form, known):
            return self._refused(request, known)

        def answered() -> Response:
            with self._client(request, known) as client:
                _end(client, known.token)
            response = self._response(request, None, Moved(_LOGIN))
            session.end(response)
            return response

        return await self._in_thread(answered, "pages")

    def _keep(self, request: Request, response: Response, known: Session) -> None:
        session.write(response, known, self._vault, secure=_is_secure(request))


class BesideConsole:
    """The console at its paths, and DDS's application at all others."""

    def __init__(self, dds: ASGIApp, console: ASGIApp) -> None:
        self._dds = dds
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        path = scope.get("path", "")
        app = self._console if path == PATH or path.startswith(f"{PATH}/") else self._dds
        await app(scope, receive, send)


def _source(request: Request) -> tuple[str, int]:
    """Address and port of the person's browser."""
    return (request.client.host, request.client.port) if request.client else ("", 0)


def _csrf_field(known: Session | None) -> Markup:
    """What each form of a session holds."""
    token = known.csrf if known else ""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(token)


async def _form(request: Request, limit: int) -> dict[str, list[str]]:
    """The fields of a form; those that were left empty as well. Raises ApiError."""
    text = (await read_body(request, limit)).decode("utf-8", "replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        message = f"The form has more than {MOST_FIELDS} fields."
        raise ApiError(message, status=400) from None


def _is_own(request: Request, form: dict[str, list[str]], known: Session) -> bool:
    """Whether a form comes from a page of this session."""
    return _same_origin(request) and form.get("csrf", [""])[-1] == known.csrf


def _is_secure(request: Request) -> bool:
    """Whether cookies of the answer are never to be sent in clear."""
    return request.url.scheme == "https"


def _same_origin(request: Request) -> bool:
    """Whether the browser says that our own page sent this; some say nothing."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")


def _inside(place: str) -> str:
    """A path of the console; the first page for any other."""
    return place if place.startswith(f"{PATH}/") and "\\" not in place else f"{PATH}/instances"


def _login_page(
    to: str,
    given: dict[str, str] | None = None,
    error: str = "",
    status: int = 200,
    *,
    unsent: bool = False,
) -> Page:
    """`unsent` says that a form brought the visitor here instead of where it was meant for."""
    typed = {name: (given or {}).get(name, "") for name in ("user", "domain", "project")}
    shown = {"to": to, "error": error, "unsent": unsent, **typed}
    return Page("login.html", "Log in", shown, status)


def _log_in(client: Client, domain: str, project: str) -> dict[str, object]:
    """A login in the project of this name, or in the first one that the user may use."""
    known = client.credentials
    user = {"name": known.user, "password": known.password, "domain": {"name": domain}}
    unscoped = client.issue({"identity": {"methods": ["password"], "password": {"user": user}}})
    try:
        projects = client.projects_of(unscoped["text"])
        chosen = [one["id"] for one in projects if project in ("", one["name"])]
        if not chosen:
            what = f"the project {project}" if project else "any project"
            message = f"The user may not use {what}; the domain's administrator can assign a role."
            raise RefusalError(403, "", message)
        return client.issue(_by_token(unscoped["text"], chosen[0]))
    finally:
        _end(client, unscoped["text"])


def _end(client: Client, token: str) -> None:
    """End a token; one that is over already is no problem, and one that cannot be ended now ends by
    itself."""
    with suppress(ShardhouseError):
        client.revoke(token)


def _refusal(error: RefusalError) -> Response:
    """An error for programs, in DDS's shape."""
    content = {"error_code": error.code, "error_msg": error.reason}
    return JSONResponse(content, error.status, headers=_HEADERS)


def _by_token(text: str, project_id: str) -> dict[str, object]:
    identity = {"methods": ["token"], "token": {"id": text}}
    return {"identity": identity, "scope": {"project": {"id": project_id}}}
