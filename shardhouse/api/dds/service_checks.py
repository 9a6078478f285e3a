"""The checks of `shardhouse doctor`, as the API writes them."""

from dataclasses import asdict

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.doctor import CheckItem, ChecksAnswer
from shardhouse.doctor import checks


def check(request: Request[Nothing, Nothing]) -> ChecksAnswer:
    """All checks, made now, by the service's own process."""
    found = checks.everything(request.service.settings)
    return ChecksAnswer(checks=[CheckItem(**asdict(one)) for one in found])
