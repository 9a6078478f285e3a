"""The one error hierarchy. `api/` maps it to the wire in one place; nothing else knows HTTP bodies.

A `DdsError` carries what a DDS client sees: `error_code` and the HTTP status, which `error_codes`
lists, and a message that says what was expected, what came, and what to do. IAM errors are
Keystone-shaped: status, title and message.
"""

from enum import Enum, unique

from shardhouse import error_codes as codes
from shardhouse.error_codes import ErrorCode


class ShardhouseError(Exception):
    """Root of all errors this package raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiError(ShardhouseError):
    """An error that an HTTP API answers, with its status.

    `retry_after` is the number of seconds after which the same call may succeed, if that is known.
    """

    status = 500
    retry_after: int | None = None

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class DdsError(ApiError):
    """A refusal of the DDS service: an entry of the catalogue of errors, with its documented HTTP
    status unless it is given another."""

    def __init__(self, code: ErrorCode, message: str, *, status: int | None = None) -> None:
        super().__init__(message, status=code.status if status is None else status)
        self.code = code.code


class GatewayError(DdsError):
    """A refusal of the gateway in front of the service: `APIGW.*` code; carries a request id."""


class IamError(ApiError):
    """A refusal of the IAM service, in Keystone's nested shape.

    `code` is given where a client expects the `IAM.nnnn` shape of the extension paths instead.
    """

    status = 400

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, status=status)
        self.code = code
        self.retry_after = retry_after


@unique
class Reason(Enum):
    """Why a service beside DDS refuses: HTTP status, the code of its own error list, and Neutron's
    name for it, as far as Neutron may meet it (`api/neighbours/shapes` writes them)."""

    def __init__(self, status: int, code: str = "", neutron_type: str = "") -> None:
        self.status = status
        self.code = code
        self.neutron_type = neutron_type

    FORBIDDEN = (403, "VPC.0010", "PolicyNotAuthorized")
    VPC_NOT_FOUND = (404, "VPC.0202", "RouterNotFound")
    VPC_INVALID = (400, "VPC.0101", "InvalidInput")
    VPC_HAS_SUBNETS = (409, "VPC.0104", "RouterInUse")
    VPC_IN_USE = (409, "VPC.0108", "RouterInUse")
    VPC_EXCLUDES_SUBNET = (400, "VPC.0117", "BadRequest")
    NETWORK_NOT_FOUND = (404, "VPC.0202", "NetworkNotFound")
    NETWORK_IN_USE = (409, "VPC.0208", "NetworkInUse")
    NETWORK_HAS_SUBNET = (409, "VPC.0204", "Conflict")
    SUBNET_NOT_FOUND = (404, "VPC.0202", "SubnetNotFound")
    SUBNET_INVALID = (400, "VPC.0201", "InvalidInput")
    SUBNET_CIDR_INVALID = (400, "VPC.0212", "InvalidInput")
    SUBNET_OUTSIDE_VPC = (400, "VPC.0203", "BadRequest")
    SUBNET_OVERLAPS = (400, "VPC.0204", "BadRequest")
    SUBNET_OF_ANOTHER_VPC = (400, "VPC.0207", "BadRequest")
    SUBNET_IN_USE = (409, "VPC.0208", "SubnetInUse")
    SUBNET_FULL = (409, "", "IpAddressGenerationFailure")
    INTERFACE_NOT_FOUND = (404, "", "RouterInterfaceNotFound")
    INTERFACE_IN_USE = (409, "", "L3PortInUse")
    INTERFACE_REFUSED = (400, "", "BadRequest")
    PORT_NOT_FOUND = (404, "VPC.0514", "PortNotFound")
    PORT_IN_USE = (409, "", "PortInUse")
    PORT_ADDRESS_IN_USE = (409, "", "IpAddressInUse")
    PORT_ADDRESS_INVALID = (400, "", "InvalidIpForSubnet")
    GROUP_NOT_FOUND = (404, "VPC.0603", "SecurityGroupNotFound")
    GROUP_IN_USE = (409, "VPC.0602", "SecurityGroupInUse")
    GROUP_IS_DEFAULT = (409, "VPC.0602", "SecurityGroupCannotRemoveDefault")
    GROUP_DEFAULT_EXISTS = (409, "VPC.0602", "SecurityGroupDefaultAlreadyExists")
    RULE_NOT_FOUND = (404, "VPC.0612", "SecurityGroupRuleNotFound")
    RULE_EXISTS = (409, "VPC.0602", "SecurityGroupRuleExists")
    RULE_INVALID = (400, "VPC.0601", "SecurityGroupInvalidRule")
    PUBLIC_IP_INVALID = (400, "VPC.0501", "InvalidInput")
    PUBLIC_IP_NOT_FOUND = (404, "VPC.0504", "FloatingIPNotFound")
    PUBLIC_IP_BOUND = (409, "VPC.0517", "FloatingIPPortAlreadyAssociated")
    PUBLIC_IP_PORT_TAKEN = (409, "VPC.0511", "FloatingIPPortAlreadyAssociated")
    PUBLIC_IP_TAKEN = (409, "VPC.0522", "IpAddressInUse")
    PUBLIC_IPS_EXHAUSTED = (409, "VPC.0532", "IpAddressGenerationFailure")
    BANDWIDTH_NOT_FOUND = (404, "VPC.0306")
    BANDWIDTH_INVALID = (400, "VPC.0301")
    BANDWIDTH_IN_USE = (409, "VPC.0301")
    TAG_INVALID = (400, "VPC.1801")
    TAG_NOT_FOUND = (404, "VPC.1801")
    INVALID = (400, "", "InvalidInput")
    PROJECT_NAME_INVALID = (400, "EPS.0007")
    PROJECT_DESCRIPTION_INVALID = (400, "EPS.0008")
    PROJECT_NAME_TAKEN = (409, "EPS.0010")
    PROJECT_NOT_FOUND = (404, "EPS.0005")
    PROJECT_IS_DEFAULT = (400, "EPS.0012")
    PROJECT_ACTION_INVALID = (400, "EPS.0013")
    PROJECT_DISABLED = (400, "EPS.0014")
    LOG_INVALID = (400, "LTS.0009")
    LOG_GROUP_TAKEN = (400, "LTS.0101")
    LOG_GROUP_NOT_FOUND = (404, "LTS.0201")
    LOG_STREAM_TAKEN = (400, "LTS.0205")
    LOG_STREAM_NOT_FOUND = (404, "LTS.0208")
    METRIC_INVALID = (400, "ces.0014")
    ALARM_NOT_FOUND = (404, "ces.0016")
    TOO_MANY_ALARMS = (403, "ces.0011")


class NeighbourError(ApiError):
    """A refusal of a service beside DDS, answered in the shape of the service that was asked."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, status=reason.status)
        self.reason = reason


class DiskFullError(ApiError):
    """A write of the service's own found no space, although the reserve was there to make some."""

    status = 503


class SettingsError(ShardhouseError):
    """A setting is wrong; the message names it, its value's source and what is allowed."""


class StoreError(ShardhouseError):
    """The store cannot be used by this version."""


class EngineError(ShardhouseError):
    """No installed MongoDB build serves what was asked, or a build does not run."""


class NodeError(ShardhouseError):
    """A node's process, volume or address could not be brought to the wanted state."""


class MissingVolumeError(NodeError):
    """A node has no volume: it was never made, or is removed."""


class MongoError(ShardhouseError):
    """Administering MongoDB failed: a replica set, a user or a shard did not reach its state."""


class StillLockedError(MongoError):
    """A member does not answer, so a lock of its files cannot be released: it ends with the
    process."""


class BackupError(ShardhouseError):
    """A backup could not be written, found or read; the message says what a person can do."""


class MissingObjectError(BackupError):
    """A backup storage has no object of this name."""


class CorruptBackupError(BackupError):
    """What a backup storage returned is not what was written: damaged, cut short or exchanged."""


class SnapshotError(ShardhouseError):
    """A file is no snapshot, not a whole one, or not one that can be read here; the message says
    which."""


class OplogGapError(BackupError):
    """Entries of an oplog behind `position` (as `backups.positions` writes it) are lost to the
    backups."""

    def __init__(self, message: str, position: str) -> None:
        super().__init__(message)
        self.position = position


class StreamError(ShardhouseError):
    """A log stream takes no entries now."""


class StepError(ShardhouseError):
    """A workflow cannot succeed; the message is the job's `fail_reason`."""


def bad_parameter(field: str, message: str, code: ErrorCode = codes.BAD_PARAMETER) -> DdsError:
    """A refusal that names the field: `<field>: <what is allowed, what came>`."""
    return DdsError(code, f"{field}: {message}")


def instance_not_found(instance_id: str) -> DdsError:
    """404 for a sub-resource of an instance that this project does not have."""
    return DdsError(codes.INSTANCE_NOT_FOUND, f"The instance {instance_id} does not exist.")


class BusyError(DdsError):
    """403 that both Terraform providers retry: another operation runs, `action` in instances."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(codes.BUSY, message)
        self.action = action


def instance_busy(instance_id: str, action: str) -> BusyError:
    """Another operation runs on the instance."""
    message = f"Another operation ({action}) is running on instance {instance_id}; try again later."
    return BusyError(message, action)
