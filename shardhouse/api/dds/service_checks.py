"""The checks of `shardhouse doctor`, as the API writes them."""

from dataclasses import asdict
from threading import Lock

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.doctor import CheckItem, ChecksAnswer
from shardhouse.doctor import checks
from shardhouse.errors import GatewayError

_CHECKING = Lock()


def check(request: Request[Nothing, Nothing]) -> ChecksAnswer:
    """All checks, made now, by the service's own process; they change nothing. Nobody waits: raises
    GatewayError 429 while they are made for somebody else."""
    if not _CHECKING.acquire(blocking=False):
        raise GatewayError(codes.THROTTLED, "The checks are being made; try again later.")
    try:
        found = checks.everything(request.service.settings, unpack=False)
        return ChecksAnswer(checks=[CheckItem(**asdict(one)) for one in found])
    finally:
        _CHECKING.release()
