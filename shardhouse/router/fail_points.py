"""Fail points: what a driver's tests tell the router to do wrong. Only with test commands enabled.

`failCommand` has the meaning the drivers' test specifications give it;
`failGetMoreAfterCursorCheckout` strikes a getMore that has found its cursor. Deciding is pure.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shardhouse.router.command import truncated
from shardhouse.router.errors import CommandError, bad_value

FAIL_COMMAND = "failCommand"
FAIL_GET_MORE = "failGetMoreAfterCursorCheckout"
NAMES = frozenset({FAIL_COMMAND, FAIL_GET_MORE})


class InjectedError(CommandError):
    """The error of a fail point; its labels are final."""


class ConnectionDroppedError(Exception):
    """A fail point ends the client's connection without an answer."""


@dataclass(slots=True)
class _Active:
    """One fail point that is switched on; `times` counts down, `skip` too, before it."""

    data: Mapping[str, Any]
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    entered: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """What shall happen to a command: wait, then break the connection or answer with an error."""

    name: str
    data: Mapping[str, Any]

    @property
    def delay(self) -> float:
        """Seconds to wait first."""
        blocks = self.data.get("blockConnection")
        return float(self.data.get("blockTimeMS", 0)) / 1000 if blocks else 0.0

    @property
    def closes(self) -> bool:
        """Whether the connection ends without an answer."""
        return bool(self.data.get("closeConnection"))

    def error(self) -> CommandError | None:
        """The error to answer with; it bears the labels that a real one would, unless told."""
        code = self.data.get("errorCode")
        if code is None:
            return None
        text, extra = (
            f"Failing command via '{self.name}' failpoint",
            self.data.get("errorExtraInfo"),
        )
        labels = self.data.get("errorLabels")
        if labels is None:
            return CommandError(int(code), text, extra=extra)
        return InjectedError(int(code), text, labels=labels, extra=extra)

    @property
    def write_concern_error(self) -> Mapping[str, Any] | None:
        """What to add to a reply that is otherwise as it would be."""
        found: Mapping[str, Any] | None = self.data.get("writeConcernError")
        return found

    @property
    def labels(self) -> list[str] | None:
        """The labels of what goes wrong, None if it is not told which."""
        labels = self.data.get("errorLabels")
        return None if labels is None else list(labels)


@dataclass(slots=True)
class FailPoints:
    """All fail points of the process."""

    _active: dict[str, _Active] = field(default_factory=dict)
    _entered: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._active)

    def configure(self, name: str, mode: object, data: Mapping[str, Any]) -> int:
        """Switch one on or off; how often it was entered before. BadValue (2) for a bad mode."""
        if name not in NAMES:
            raise CommandError(6, f"{name} not found")
        before = self._active.pop(name, None)
        if before is not None:
            self._entered[name] = before.entered
        active = _read_mode(mode, data)
        if active is not None:
            active.entered = self._entered.get(name, 0)
            self._active[name] = active
        return self._entered.get(name, 0)

    def hit(
        self, command: str, namespace: str, application: str, name: str = FAIL_COMMAND
    ) -> Failure | None:
        """What a fail point wants to happen to a command from an application, if anything."""
        active = self._active.get(name)
        if active is None or not _matches(name, active.data, command, namespace, application):
            return None
        if active.skip:
            active.skip -= 1
            return None
        if active.probability < 1 and random.random() >= active.probability:  # noqa: S311 a test's dice
            return None
        if active.times is not None:
            if active.times == 0:
                return None
            active.times -= 1
        active.entered += 1
        self._entered[name] = active.entered
        return Failure(name, active.data)


def _read_mode(mode: object, data: Mapping[str, Any]) -> _Active | None:
    if mode == "off":
        return None
    if mode == "alwaysOn":
        return _Active(data)
    if isinstance(mode, Mapping):
        if isinstance(mode.get("times"), int | float):
            return _Active(data, times=truncated(mode["times"]))
        if isinstance(mode.get("skip"), int | float):
            return _Active(data, skip=truncated(mode["skip"]))
        if isinstance(mode.get("activationProbability"), int | float):
            return _Active(data, probability=float(mode["activationProbability"]))
    raise bad_value(f"unknown mode of a fail point: {mode}")


def _one_name(command: object) -> object:
    """isMaster has two spellings."""
    return "isMaster" if command == "ismaster" else command


def _matches(
    name: str, data: Mapping[str, Any], command: str, namespace: str, application: str
) -> bool:
    if name == FAIL_COMMAND and _one_name(command) not in map(
        _one_name, data.get("failCommands", ())
    ):
        return False
    if command == "configureFailPoint":
        return False
    if "appName" in data and data["appName"] != application:
        return False
    return bool(data.get("namespace", namespace) == namespace)
