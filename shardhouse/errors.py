"""The one error hierarchy. `api/` maps it to the wire in one place; nothing else knows HTTP bodies.

A `DdsError` carries what a DDS client sees: `error_code`, the HTTP status and a message that says
what was expected, what came, and what to do. Codes and statuses are those of the DDS error list
(reference: OTC DDS API, "Error codes"). IAM errors are Keystone-shaped: status, title and message.
"""


class ShardhouseError(Exception):
    """Root of all errors this package raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiError(ShardhouseError):
    """An error a caller of an HTTP API is told about, with its status."""

    status = 500

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class DdsError(ApiError):
    """A refusal of the DDS service: `DBS.*` code and HTTP status."""

    status = 400

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.code = code


class GatewayError(DdsError):
    """A refusal of the gateway in front of the service: `APIGW.*` code; carries a request id."""

    status = 401


class IamError(ApiError):
    """A refusal of the IAM service, in Keystone's nested shape.

    `code` is given where a client expects the `IAM.nnnn` shape of the extension paths instead.
    """

    status = 400

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message, status=status)
        self.code = code


class SettingsError(ShardhouseError):
    """A setting is wrong; the message names it, its value's source and what is allowed."""


class EngineError(ShardhouseError):
    """No installed MongoDB build serves what was asked, or a build does not run."""


class NodeError(ShardhouseError):
    """A node's process, volume or address could not be brought to the wanted state."""


class MongoError(ShardhouseError):
    """Administering MongoDB failed: a replica set, a user or a shard did not reach its state."""


class StepError(ShardhouseError):
    """A workflow cannot succeed; the message is the job's `fail_reason`."""


def bad_parameter(field: str, message: str, code: str = "DBS.200001") -> DdsError:
    """A 400 that names the field: `<field>: <what is allowed, what came>`."""
    return DdsError(code, f"{field}: {message}")


def instance_not_found(instance_id: str) -> DdsError:
    """404 for a sub-resource of an instance that this project does not have."""
    return DdsError("DBS.200002", f"The instance {instance_id} does not exist.", status=404)


def instance_busy(instance_id: str, action: str) -> DdsError:
    """403 that both Terraform providers retry: another operation runs on the instance."""
    return DdsError(
        "DBS.200019",
        f"Another operation ({action}) is running on instance {instance_id}; try again later.",
        status=403,
    )
