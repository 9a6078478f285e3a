"""Which certificates clients take for those of the service."""

import ssl
from pathlib import Path

from shardhouse.client.errors import ClientError


def trust(authority: str | Path | None) -> ssl.SSLContext | bool:
    """For httpx: the authority in this PEM file and no other, or without one those that httpx
    knows. Raises ClientError when the file cannot be read.
    """
    if authority is None:
        return True
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:  # ssl.SSLError is one
        raise ClientError(
            f"{authority} is not a readable PEM file of a certificate authority: {error}. It is "
            "named by the setting tls_authority, or by OS_CACERT."
        ) from None
