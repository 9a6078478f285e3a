"""The texts of a 401 that clients of the real gateway know."""

from shardhouse.errors import IamError

PREFIX = "Incorrect IAM authentication information: "


def unauthenticated(reason: str) -> IamError:
    """401 with the gateway's prefix; the reason says what was wrong with the credentials."""
    return IamError(PREFIX + reason, status=401)


def not_found(kind: str, identity: str) -> IamError:
    """404, also for what belongs to another domain."""
    return IamError(f"Could not find {kind}: {identity}.", status=404)
