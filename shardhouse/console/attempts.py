"""Parts of a page that an API may refuse while the rest of the page is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shardhouse.client.errors import RefusalError


@dataclass(frozen=True)
class Attempt:
    """What was found; nothing of it where there is a `problem`, the API's own words."""

    found: Any
    problem: str = ""


def attempt(ask: Callable[[], Any], nothing: Any) -> Attempt:
    """What `ask` gives, or `nothing` and why it is refused. Raises RefusalError 401: the login has
    ended."""
    try:
        return Attempt(ask())
    except RefusalError as error:
        if error.status == 401:
            raise
        return Attempt(nothing, error.message)
