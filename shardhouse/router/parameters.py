"""The router's parameters: those of a mongos that tools read, and which of them may change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import Decimal128, Int64

from shardhouse.router.command import truncated
from shardhouse.router.errors import CommandError, bad_value
from shardhouse.router.log_levels import Levels


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its value unless one is given, and whether `setParameter` may change it."""

    default: Any
    changeable: bool = False

    def read(self, name: str, value: Any) -> Any:
        """A given value (a text from the command line, or BSON) in the default's type."""
        kind = type(self.default)
        try:
            if kind is bool:
                return _bool(value)
            if kind in (int, Int64):
                return kind(_number(value, 2**31 if kind is int else 2**63))
            if kind is list:
                return value.split(",") if isinstance(value, str) else list(value)
            return kind(value)
        except (TypeError, ValueError) as error:
            raise bad_value(f"Invalid value for parameter {name}") from error


def _number(value: Any, beyond: int) -> int:
    """A number without its fraction, from 0 up to `beyond`; ValueError or TypeError if not."""
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if isinstance(number, bool):
        raise TypeError(value)
    whole = truncated(float(number) if isinstance(number, str) else number)
    if not 0 <= whole < beyond:
        raise ValueError(value)
    return whole


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise bad_value(f"{_LEVELS} must be a JSON object, not {text!r}") from error


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        if value.lower() in ("1", "true"):
            return True
        if value.lower() in ("0", "false"):
            return False
        raise ValueError(value)
    return bool(value)


_LEVEL, _LEVELS = "logLevel", "logComponentVerbosity"

KNOWN: Mapping[str, Parameter] = {
    "authenticationMechanisms": Parameter(["MONGODB-X509", "SCRAM-SHA-1", "SCRAM-SHA-256"]),
    "cursorTimeoutMillis": Parameter(Int64(600_000), changeable=True),
    "enableTestCommands": Parameter(False),
    "localLogicalSessionTimeoutMinutes": Parameter(30),
    _LEVELS: Parameter({}, changeable=True),
    _LEVEL: Parameter(0, changeable=True),
    "maxAcceptableLogicalClockDriftSecs": Parameter(Int64(31_536_000)),
    "mongosShutdownTimeoutMillisForSignaledShutdown": Parameter(Int64(5_000), changeable=True),
    "quiet": Parameter(False, changeable=True),
    "requireApiVersion": Parameter(False, changeable=True),
    "saslHostName": Parameter(""),
    "scramIterationCount": Parameter(10_000),
    "scramSHA256IterationCount": Parameter(15_000),
    "slowConnectionThresholdMillis": Parameter(100, changeable=True),
    "userCacheInvalidationIntervalSecs": Parameter(1),
}


class Parameters:
    """Their values now. Those of the log are kept where the log looks for them, in `levels`."""

    def __init__(self, given: Mapping[str, Any], levels: Levels) -> None:
        self._levels = levels
        self._values: dict[str, Any] = {name: known.default for name, known in KNOWN.items()}
        for name, value in given.items():
            known = KNOWN.get(name)
            if known is None:
                self._values[name] = value
            else:
                self._set(name, known, value)

    def __getitem__(self, name: str) -> Any:
        if name == _LEVEL:
            return self._levels.root
        return self._levels.document if name == _LEVELS else self._values[name]

    def all(self) -> dict[str, Any]:
        """Every parameter's value."""
        return {name: self[name] for name in sorted(self._values)}

    def _set(self, name: str, known: Parameter, value: Any) -> None:
        if name == _LEVELS:
            self._levels.update(_object(value) if isinstance(value, str) else value)
        elif name == _LEVEL:
            self._levels.root = known.read(name, value)
        else:
            self._values[name] = known.read(name, value)

    def set(self, name: str, value: Any) -> Any:
        """Change one; returns what it was. InvalidOptions (72) or IllegalOperation (20) if not."""
        known = KNOWN.get(name)
        if known is None:
            raise CommandError(
                72,
                f"attempted to set unrecognized parameter [{name}], use help:true to see options ",
            )
        if not known.changeable:
            raise CommandError(20, f"not allowed to change [{name}] at runtime")
        before = self[name]
        self._set(name, known, value)
        return before
