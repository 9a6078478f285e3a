"""Connection strings of instances."""

from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import quote, urlencode

ADMINISTRATOR = "rwuser"
"""The user that each instance has from the beginning."""
MASK = "****"


def uri(
    hosts: Sequence[str],
    *,
    password: str | None = None,
    user: str = ADMINISTRATOR,
    replica_set: str | None = None,
    authority: PurePath | None = None,
) -> str:
    """The instance's connection string. `hosts` are routers, or the visible members of
    `replica_set`; `authority` is the CA file's place where TLS is required. Without a password it
    is masked by `****`."""
    secret = MASK if password is None else quote(password, safe="")
    options = {"authSource": "admin"}
    if replica_set:
        options["replicaSet"] = replica_set
    if authority:
        options |= {"tls": "true", "tlsCAFile": str(authority)}
    query = urlencode(options, safe="/", quote_via=quote)
    return f"mongodb://{quote(user, safe='')}:{secret}@{','.join(hosts)}/?{query}"
