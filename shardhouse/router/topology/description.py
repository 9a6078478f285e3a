"""What is known of a replica set's members, and which of them may serve a request. Pure.

Rules of server selection as in the public driver specification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

PRIMARY, SECONDARY, UNKNOWN = "primary", "secondary", "unknown"
IDLE_WRITE_PERIOD = 10.0
"""Seconds between a primary's no-op writes when nothing else happens."""

_LATENCY_WINDOW = 0.015


@dataclass(frozen=True, slots=True)
class Member:
    """One node as its last hello described it. Times in seconds, `last_write` since the epoch."""

    address: str
    state: str = UNKNOWN
    tags: Mapping[str, str] = field(default_factory=dict)
    round_trip: float = 0.0
    last_write: float = 0.0
    seen: float = 0.0
    term: tuple[Any, ...] = ()
    topology_version: Any = None
    error: str = ""


@dataclass(frozen=True)
class ReplicaSet:
    """A replica set's members by address. `term` is the newest any primary ever claimed."""

    name: str
    members: Mapping[str, Member]
    term: tuple[Any, ...] = ()

    @cached_property
    def primary(self) -> Member | None:
        """The member that leads."""
        return next((m for m in self.members.values() if m.state == PRIMARY), None)

    @property
    def connection_string(self) -> str:
        """`name/host:port,host:port`, sorted."""
        return f"{self.name}/{','.join(sorted(self.members))}"


def seeds(text: str) -> ReplicaSet:
    """A set of which only `name/host:port,...` is known."""
    name, _, hosts = text.partition("/")
    return ReplicaSet(name, {host: Member(host) for host in hosts.split(",") if host})


def answered(
    known: ReplicaSet, address: str, hello: Mapping[str, Any], round_trip: float, now: float
) -> ReplicaSet:
    """The set after a member's hello; a primary's list of members replaces ours.

    There is one primary at most: one that was elected earlier than another we heard of (it was cut
    off or stopped meanwhile, and does not know yet) is of no use, neither now nor later.
    """
    if address not in known.members or hello.get("setName") != known.name:
        return failed(known, address, f"is not a member of replica set {known.name}")
    state = UNKNOWN
    if hello.get("isWritablePrimary") or hello.get("ismaster"):
        state = PRIMARY
    elif hello.get("secondary"):
        state = SECONDARY
    last_write = hello.get("lastWrite", {}).get("lastWriteDate", 0)
    election = hello.get("electionId")
    member = Member(
        address=address,
        state=state,
        tags=dict(hello.get("tags", {})),
        round_trip=round_trip,
        last_write=int(last_write) / 1000,
        seen=now,
        term=(election.binary if election else b"", hello.get("setVersion", 0)),
        topology_version=hello.get("topologyVersion"),
    )
    if state != PRIMARY:
        return replace(known, members={**known.members, address: member})
    if member.term < known.term:
        return failed(known, address, "was primary before another was elected")
    listed = [*hello.get("hosts", ()), *hello.get("passives", ())]
    members = {host: known.members.get(host, Member(host)) for host in listed}
    for other in members.values():
        if other.state == PRIMARY:
            members[other.address] = Member(other.address, error="another primary was elected")
    return ReplicaSet(known.name, {**members, address: member}, member.term)


def failed(known: ReplicaSet, address: str, reason: str) -> ReplicaSet:
    """The set after a member did not answer, or answered what only a non-member would."""
    if address not in known.members:
        return known
    return replace(known, members={**known.members, address: Member(address, error=reason)})


def select(known: ReplicaSet, preference: Mapping[str, Any]) -> Sequence[Member]:
    """Members that may serve a read with this `$readPreference`, any of them equally good."""
    mode = preference.get("mode", "primary")
    primary = [known.primary] if known.primary else []
    if mode == "primary" or (mode == "primaryPreferred" and primary):
        return primary
    secondaries = [m for m in known.members.values() if m.state == SECONDARY]
    eligible = [*secondaries, *primary] if mode == "nearest" else secondaries
    candidates = _fresh(known, eligible, preference.get("maxStalenessSeconds", -1))
    candidates = _near(_tagged(candidates, preference.get("tags") or [{}]))
    return candidates or (primary if mode == "secondaryPreferred" else [])


def _fresh(known: ReplicaSet, members: Sequence[Member], limit: float) -> Sequence[Member]:
    if limit is None or limit <= 0:
        return members
    leader = known.primary
    newest = max((member.last_write for member in known.members.values()), default=0.0)

    def lag(member: Member) -> float:
        if leader is None:
            return newest - member.last_write
        behind = (member.seen - member.last_write) - (leader.seen - leader.last_write)
        return behind + IDLE_WRITE_PERIOD

    return [m for m in members if m.state == PRIMARY or lag(m) <= limit]


def _tagged(members: Sequence[Member], tag_sets: Sequence[Mapping[str, str]]) -> Sequence[Member]:
    for tags in tag_sets:
        found = [m for m in members if all(m.tags.get(key) == tags[key] for key in tags)]
        if found:
            return found
    return []


def _near(members: Sequence[Member]) -> Sequence[Member]:
    if not members:
        return members
    limit = min(member.round_trip for member in members) + _LATENCY_WINDOW
    return [member for member in members if member.round_trip <= limit]
