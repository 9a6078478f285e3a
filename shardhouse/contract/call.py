"""One row of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from shardhouse import error_codes as codes
from shardhouse.domain.model import Instance, Mode, Status
from shardhouse.errors import DdsError, instance_busy


class Method(StrEnum):
    """HTTP methods that calls use."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"


def _drop_empty_defaults(schema: dict[str, Any]) -> None:
    """Of a model's JSON schema: a field that is one of a few words, and may be left out, has no
    default among them."""
    for one in schema.get("properties", {}).values():
        if "enum" in one and one.get("default") not in one["enum"]:
            one.pop("default", None)


class Wire(BaseModel):
    """A body, a query string or an answer: the wire's own names. Unknown fields are ignored, as the
    API does; `null` counts as absent."""

    model_config = ConfigDict(extra="ignore", frozen=True, json_schema_extra=_drop_empty_defaults)


class Nothing(Wire):
    """No fields: an empty body, no query string, or the answer `{}`."""


class JobId(Wire):
    """The answer of a call whose work goes on behind it."""

    job_id: str


@dataclass(frozen=True)
class Rules:
    """When a call that changes an instance is lawful: in which modes and statuses, and whether
    another operation may be running meanwhile. For a query only the modes count."""

    modes: frozenset[Mode] = frozenset(Mode)
    statuses: frozenset[Status] = frozenset({Status.NORMAL})
    idle: bool = True

    @property
    def all_modes(self) -> bool:
        """Whether the mode does not matter."""
        return self.modes == frozenset(Mode)

    def check_mode(self, instance: Instance, operation: str) -> None:
        """Raises DdsError 400 for an instance of another mode."""
        if instance.mode not in self.modes:
            raise DdsError(
                codes.NOT_SUPPORTED,
                f"{operation} exists for {' and '.join(sorted(self.modes))} instances; "
                f"{instance.id} is of mode {instance.mode}.",
            )

    def check(self, instance: Instance, operation: str) -> None:
        """Raises DdsError: 403 while another operation runs (clients retry) or for the instance's
        status, 400 for its mode."""
        self.check_mode(instance, operation)
        if self.idle and instance.action:
            raise instance_busy(instance.id, instance.action)
        if instance.status not in self.statuses:
            raise DdsError(
                codes.STATUS_FORBIDS,
                f"The status {instance.status} of instance {instance.id} forbids {operation}; "
                f"allowed: {', '.join(sorted(self.statuses))}.",
            )


@dataclass(frozen=True)
class Call:
    """A call of the API.

    `operation` is its name in the official SDK. `permission` is empty for the calls that need no
    caller. `wrapper` names the one field that holds the body's object, where the API wraps it;
    `example` is such an object, which documentation and tests show.
    `reads` marks a POST that changes nothing; `uploads` a call whose body is a file, which its
    handler reads; `addition` a call of our own, which no document has. `administers` is for calls
    about the service itself: whoever administers the domain may make them, and nobody else.
    """

    operation: str
    method: Method
    path: str
    summary: str
    permission: str = ""
    query: type[Wire] = Nothing
    body: type[Wire] = Nothing
    wrapper: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    answer: type[Wire] = Nothing
    success: int = 200
    rules: Rules = Rules()
    reads: bool = False
    uploads: bool = False
    addition: bool = False
    administers: bool = False

    @property
    def only_reads(self) -> bool:
        """Whether read access is enough."""
        return self.reads or self.method is Method.GET

    @property
    def accepts_no_body(self) -> bool:
        """Whether the body may be left out: none of its fields is required."""
        return not self.wrapper and not any(
            field.is_required() for field in self.body.model_fields.values()
        )

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """Names of the path's variable parts, in order."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))
