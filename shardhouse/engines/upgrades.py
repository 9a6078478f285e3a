"""From the build an instance runs on to the one it may be upgraded to: decisions on plain data.

Source of the rules: MongoDB manual, "Upgrade a Replica Set": patch levels in any step, releases one
at a time, no way back to an older release.
"""

from collections.abc import Sequence

from shardhouse.engines.catalogue import Engine, numbers, release
from shardhouse.errors import EngineError

RELEASES = ((4, 4), (5, 0), (6, 0), (7, 0), (8, 0))
"""Releases in the order in which they can be upgraded."""


def target(present: str, engines: Sequence[Engine], wanted: str = "", *, sharded: bool) -> Engine:
    """The build to upgrade to from version `present`: the newest patch level of its release, or of
    `wanted`, a release (`5.0`) or a version (`5.0.32`). Of a cluster only patch levels can be
    upgraded.

    Raises EngineError with the reason where that is not possible. Where the release is named and
    `present` is its newest build already, that is the answer: what an upgrade to it left undone can
    be done then.
    """
    goal = numbers(wanted) if wanted else release(present)
    able = [engine for engine in engines if engine.shardable or not sharded]
    found = [engine for engine in able if numbers(engine.version)[: len(goal)] == goal]
    newest = max(found, key=lambda engine: numbers(engine.version), default=None)
    _check_step(present, goal, sharded)
    here = ", ".join(sorted(engine.version for engine in able)) or "none"
    if newest is None:
        raise EngineError(
            f"MongoDB {wanted or '.'.join(map(str, goal))} is not here (here: {here}). Get it: "
            "shardhouse engine add."
        )
    if numbers(newest.version) < numbers(present):
        raise EngineError(f"{newest.version} is older than {present}; there is no way back.")
    if newest.version == present and not wanted:
        raise EngineError(
            f"{present} is the newest build of its release here (here: {here}). Get a newer one: "
            "shardhouse engine add."
        )
    return newest


def patch_available(present: str, engines: Sequence[Engine], *, sharded: bool) -> bool:
    """Whether a newer patch level of the release of `present` is here."""
    try:
        target(present, engines, sharded=sharded)
    except EngineError:
        return False
    return True


def _check_step(present: str, goal: tuple[int, ...], sharded: bool) -> None:
    """The release is the present one or the next. Raises EngineError."""
    old, new = release(present), (goal[0], goal[1] if len(goal) > 1 else 0)
    if new == old:
        return
    if new < old:
        raise EngineError(f"MongoDB {_dotted(new)} is older than {present}; there is no way back.")
    following = next((one for one in RELEASES if one > old), None)
    if new != following:
        way = f"the next is {_dotted(following)}" if following else "there is no newer one"
        raise EngineError(
            f"From {present}, MongoDB is upgraded one release at a time: {way}, not {_dotted(new)}."
        )
    if sharded:
        raise EngineError(
            "The release of a cluster cannot be upgraded: our router fronts one release only. "
            "Create a cluster of the new release and copy the data."
        )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
