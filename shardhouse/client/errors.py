"""What goes wrong with a call."""

from shardhouse.errors import ShardhouseError


class ClientError(ShardhouseError):
    """A call could not be made, or its answer is none of an API; the message says what to do."""


class RefusalError(ClientError):
    """An API answered with an error; `code` is the API's own word for it, `reason` its message."""

    def __init__(self, status: int, code: str, reason: str) -> None:
        super().__init__(
            f"{reason} ({code}, HTTP {status})" if code else f"{reason} (HTTP {status})"
        )
        self.status = status
        self.code = code
        self.reason = reason


class UnreachableError(ClientError):
    """Nobody answers at the API's address."""
