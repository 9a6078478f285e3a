"""Errors in the server's own shape: a number, its name, a message.

Raised anywhere, turned into replies by `server`.

Codes and names are the public ones of MongoDB's error table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CODE_NAMES: Mapping[int, str] = {
    1: "InternalError",
    2: "BadValue",
    6: "HostUnreachable",
    7: "HostNotFound",
    8: "UnknownError",
    9: "FailedToParse",
    11: "UserNotFound",
    13: "Unauthorized",
    14: "TypeMismatch",
    15: "Overflow",
    16: "InvalidLength",
    17: "ProtocolError",
    18: "AuthenticationFailed",
    20: "IllegalOperation",
    22: "InvalidBSON",
    25: "KeyNotFound",
    24: "LockTimeout",
    26: "NamespaceNotFound",
    37: "FileRenameFailed",
    43: "CursorNotFound",
    48: "NamespaceExists",
    50: "MaxTimeMSExpired",
    59: "CommandNotFound",
    63: "StaleShardVersion",
    61: "ShardKeyNotFound",
    67: "CannotCreateIndex",
    70: "ShardNotFound",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    82: "NoProgressMade",
    85: "IndexOptionsConflict",
    89: "NetworkTimeout",
    91: "ShutdownInProgress",
    93: "InvalidSSLConfiguration",
    100: "UnsatisfiableWriteConcern",
    115: "CommandNotSupported",
    112: "WriteConflict",
    117: "ConflictingOperationInProgress",
    118: "NamespaceNotSharded",
    121: "DocumentValidationFailure",
    125: "CommandFailed",
    133: "FailedToSatisfyReadPreference",
    150: "StaleEpoch",
    166: "CommandNotSupportedOnView",
    183: "ClientMetadataMissingField",
    184: "ClientMetadataAppNameTooLarge",
    185: "ClientMetadataDocumentTooLarge",
    186: "ClientMetadataCannotBeMutated",
    189: "PrimarySteppedDown",
    202: "NetworkInterfaceExceededTimeLimit",
    225: "TransactionTooOld",
    234: "RetryChangeStream",
    237: "CursorKilled",
    239: "SnapshotTooOld",
    246: "SnapshotUnavailable",
    249: "StaleDbVersion",
    251: "NoSuchTransaction",
    256: "TransactionCommitted",
    260: "InvalidResumeToken",
    262: "ExceededTimeLimit",
    263: "OperationNotSupportedInTransaction",
    267: "PreparedTransactionInProgress",
    280: "ChangeStreamFatalError",
    294: "CannotUseSession",
    322: "APIVersionError",
    323: "APIStrictError",
    325: "APIMismatchError",
    334: "MechanismUnavailable",
    343: "ShardCannotRefreshDueToLocksHeld",
    352: "UnsupportedOpQueryCommand",
    9001: "SocketException",
    10107: "NotWritablePrimary",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    11600: "InterruptedAtShutdown",
    11601: "Interrupted",
    11602: "InterruptedDueToReplStateChange",
    12051: "CursorInUse",
    13388: "StaleConfig",
    13435: "NotPrimaryNoSecondaryOk",
    13436: "NotPrimaryOrSecondary",
    # 6.0.5 has no names for these two yet, 6.0.27 has.
    40414: "IDLFailedToParse",
    40415: "IDLUnknownField",
}

NOT_PRIMARY_CODES = frozenset({189, 10107, 11600, 11602, 13435, 13436, 91})
"""The node answered, but does not lead (any more): ask who does, then ask that one."""

RETRYABLE_WRITE_CODES = frozenset({6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Errors after which a driver may repeat a write that carries a transaction number."""

STALE_CODES = frozenset({249, 343, 13388})
"""StaleDbVersion, ShardCannotRefreshDueToLocksHeld (a shard learns new routing itself: met while a
collection is resharded), StaleConfig: never shown to a client, they mean "refresh and send again".
"""


WOULD_CHANGE_OWNING_SHARD = 283
"""An update would move its document to another shard; the reply tells it before and after."""


def code_name(code: int) -> str:
    """The public name of an error number; `Location<n>` where MongoDB itself has none."""
    return CODE_NAMES.get(code, f"Location{code}")


class CommandError(Exception):
    """A command failed; `document` is what the client is sent."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        labels: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.labels = list(labels)
        self.extra = dict(extra or {})
        self.message = message

    @property
    def document(self) -> dict[str, Any]:
        """The reply `{ok: 0, errmsg, code, codeName, [errorLabels]}`, plus what the error adds."""
        reply: dict[str, Any] = {
            "ok": 0.0,
            "errmsg": self.message,
            "code": self.code,
            "codeName": code_name(self.code),
            **self.extra,
        }
        if self.labels:
            reply["errorLabels"] = self.labels
        return reply


class ShardReplyError(CommandError):
    """A node answered `ok: 0`; its reply is passed on as it came."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        self.reply = dict(reply)
        if "code" not in reply:  # some old commands of a server only say `ok: 0` and why
            self.reply |= {"code": 8, "codeName": code_name(8)}
        super().__init__(int(self.reply["code"]), str(reply.get("errmsg", "")), extra=self.reply)

    @property
    def document(self) -> dict[str, Any]:
        """The node's own error reply, with the labels added here."""
        reply = dict(self.reply)
        known = list(reply.get("errorLabels", ()))
        labels = known + [label for label in self.labels if label not in known]
        if labels:
            reply["errorLabels"] = labels
        return reply


class NodeUnreachableError(CommandError):
    """The connection to a node broke or could not be made (HostUnreachable, 6)."""

    def __init__(self, address: str, reason: object) -> None:
        super().__init__(6, f"Error connecting to {address} :: caused by :: {reason}")


def caused_by(context: str, error: CommandError) -> CommandError:
    """The same error, with what the router was doing put before it as a server would."""
    message = f"{context} :: caused by :: {error.message}"
    if isinstance(error, ShardReplyError):
        return type(error)({**error.reply, "errmsg": message})
    return CommandError(error.code, message, labels=error.labels, extra=error.extra)


class ProtocolError(Exception):
    """The peer sent what is no MongoDB message; its connection is closed, nothing else happens."""


class MessageError(ProtocolError):
    """A whole frame whose content is no message. A server answers that and listens on."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def interrupted() -> CommandError:
    """Somebody ended the operation (killOp)."""
    return CommandError(11601, "operation was interrupted")


def unauthorized(message: str) -> CommandError:
    """Error 13."""
    return CommandError(13, message)


def bad_value(message: str) -> CommandError:
    """Error 2."""
    return CommandError(2, message)


def wrong_type(field: str, expected: str) -> CommandError:
    """Error 14: the field has a BSON type the command cannot use."""
    return CommandError(14, f"BSON field '{field}' is the wrong type, expected type '{expected}'")


def negative(field: str, value: int) -> CommandError:
    """Error 51024: the field counts something."""
    return CommandError(51024, f"BSON field '{field}' value must be >= 0, actual value '{value}'")


def missing_field(field: str) -> CommandError:
    """Error 40414: the command cannot do without the field."""
    return CommandError(40414, f"BSON field '{field}' is missing but a required field")
