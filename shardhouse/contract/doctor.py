"""What the machine of the service lacks. Ours: no other API has it."""

from shardhouse.contract.call import Call, Method, Wire


class CheckItem(Wire):
    """One thing that was looked at. `verdict` is `ok`, `warn` or `fail`; `mend` says what to do
    where it is not `ok`."""

    name: str
    verdict: str
    found: str
    mend: str


class ChecksAnswer(Wire):
    """The checks of `shardhouse doctor`, as the service itself makes them."""

    checks: list[CheckItem]


CHECK_SERVICE = Call(
    "CheckService",
    Method.GET,
    "/v3/{project_id}/service-checks",
    summary="Check what the service needs of its machine: builds, addresses, ports, disk, memory, "
    "limits, files. For administrators of the domain.",
    permission="dds:service:check",
    answer=ChecksAnswer,
    addition=True,
    administers=True,
)
CALLS = (CHECK_SERVICE,)
