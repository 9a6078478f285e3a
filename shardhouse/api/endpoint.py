"""Rows of the contract as routes: who calls, what was sent, the handler, the answer.

A handler is given a `Request` and returns its row's answer, or a whole response. The order is the
same for all calls: the caller is known and allowed before anything is parsed, the query and the
body are checked before anything is looked up.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from shardhouse import error_codes as codes
from shardhouse.api.authentication import dds_body, dds_caller
from shardhouse.api.bodies import streamed
from shardhouse.api.dds.state import Service
from shardhouse.contract.call import Call, Nothing, Wire
from shardhouse.contract.parsing import parse
from shardhouse.domain import rules
from shardhouse.domain.model import Instance
from shardhouse.errors import DdsError, bad_parameter, instance_not_found
from shardhouse.operations.submit import Accepted, Target
from shardhouse.store import instances
from shardhouse.workflows.operation import Edit, Operation

UPLOAD_THREADS = 8
"""Threads of calls that upload a file, which take as long as their sender. No other call waits for
one of these."""
_UPLOADS = CapacityLimiter(UPLOAD_THREADS)

Q = TypeVar("Q", bound=Wire)
B = TypeVar("B", bound=Wire)


@dataclass(frozen=True)
class Request(Generic[Q, B]):
    """A call as it came, checked against its row. `path` are the variable parts of the path, `raw`
    is the body as JSON, `content` that of a call which uploads a file, not read yet."""

    service: Service
    call: Call
    path: dict[str, str]
    query: Q
    body: B
    raw: dict[str, Any]
    content: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def project_id(self) -> str:
        """The project, which is the caller's."""
        return self.path["project_id"]

    @property
    def target(self) -> Target:
        """The instance that the path names, or whose node it names. Raises DdsError 404 for a
        node that the project does not have."""
        instance_id = self.path.get("instance_id")
        if instance_id is None:
            node_id = self.path["node_id"]
            with self.service.database.read() as connection:
                instance_id = instances.find_by_node(connection, self.project_id, node_id)
            if instance_id is None:
                raise DdsError(codes.NODE_NOT_FOUND, f"The node {node_id} does not exist.")
        return Target(self.project_id, instance_id, self.path)

    def instance(self) -> Instance:
        """The instance that the path names, or whose node it names. Raises DdsError: 404, 400 for
        one of another mode."""
        instance_id = self.target.instance_id
        with self.service.database.read() as connection:
            found = instances.find(connection, self.project_id, instance_id)
        if found is None:
            raise instance_not_found(instance_id)
        self.call.rules.check_mode(found, self.call.operation)
        return found

    def ready_instance(self) -> Instance:
        """The same for a call that is lawful now and changes MongoDB itself. Raises DdsError: 404,
        and what the call's rules refuse."""

        def ready() -> Instance:
            found = self.instance()
            self.call.rules.check(found, self.call.operation)
            return found

        return self.service.submit.patiently(self.target, ready)


Handler = Callable[[Request[Any, Any]], Wire | Response]


@dataclass(frozen=True)
class Endpoint:
    """A row and what serves it. The handler returns what is sent: the row's answer, or a whole
    response."""

    call: Call
    handler: Handler


def started(
    operation: Operation[Any], answer: Callable[[Accepted], Wire] | None = None
) -> Endpoint:
    """An operation's endpoint: a job is started. The answer is what `answer` makes; without it the
    job's id, and those of the job's arguments that the row's answer repeats."""
    call = operation.call
    assert call is not None

    def handle(request: Request[Any, Any]) -> Wire:
        accepted = request.service.submit.start(operation, request.target, request.body)
        if answer is not None:
            return answer(accepted)
        return call.answer(**accepted.job.arguments | {"job_id": accepted.job.id})

    return Endpoint(call, handle)


def edited(edit: Edit[Any]) -> Endpoint:
    """An edit's endpoint: the change is made when the answer leaves, and the answer is `{}`, or
    empty where the row says 204."""

    def handle(request: Request[Any, Any]) -> Nothing:
        request.service.submit.edit(edit, request.target, request.body)
        return Nothing()

    return Endpoint(edit.call, handle)


def router(endpoints: Iterable[Endpoint]) -> APIRouter:
    """The routes of endpoints. Paths without variable parts come first, so that none is taken for
    an id."""
    routes = APIRouter()
    for endpoint in sorted(endpoints, key=lambda one: len(one.call.path_parameters)):
        routes.add_api_route(endpoint.call.path, _served(endpoint), methods=[endpoint.call.method])
    return routes


def _served(endpoint: Endpoint) -> Callable[[HttpRequest], Any]:
    call = endpoint.call
    threads = _UPLOADS if call.uploads else None
    authenticate = (
        dds_caller(call.permission, reads=call.only_reads, administers=call.administers)
        if call.permission
        else None
    )

    async def serve(request: HttpRequest) -> Response:
        if authenticate is not None:
            await authenticate(request)
        query = parse(call.query, dict(request.query_params))
        raw = {} if call.body is Nothing else await dds_body(request)
        asked = Request(
            service=request.app.state.service,
            call=call,
            path=dict(request.path_params),
            query=query,
            body=parse(call.body, _unwrapped(call, raw)),
            raw=raw,
            content=streamed(request) if call.uploads else iter(()),
        )
        answer = await to_thread.run_sync(endpoint.handler, asked, limiter=threads)
        if call.success == HTTPStatus.NO_CONTENT:
            return Response(status_code=call.success)
        if isinstance(answer, Response):
            return answer
        return JSONResponse(answer.model_dump(mode="json"), call.success)

    serve.__name__ = call.operation
    serve.__doc__ = call.summary
    return serve


def _unwrapped(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """The object that the row's fields are of."""
    if not call.wrapper:
        return body
    if body.get(call.wrapper) is None:
        raise bad_parameter(call.wrapper, "it is required")
    return rules.mapping(call.wrapper, body[call.wrapper])
