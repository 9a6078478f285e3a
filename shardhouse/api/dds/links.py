"""Links that need no token: signed, and good for a while."""

import hmac
from datetime import datetime
from urllib.parse import urlencode

from shardhouse import error_codes as codes
from shardhouse.api.dds.state import Service
from shardhouse.contract.call import Call
from shardhouse.contract.links import LinkQuery
from shardhouse.errors import GatewayError
from shardhouse.workflows.context import now

VALID_SECONDS = 15 * 60
"""How long links are good unless a call documents another time."""


def link(
    service: Service, call: Call, seconds: int = VALID_SECONDS, **path: str
) -> tuple[str, datetime]:
    """The URL at which `call` serves what the variable parts of its path name, good for so many
    `seconds`, and when it expires."""
    expires = int(now().timestamp()) + seconds
    query = {"expires": expires, "signature": _signature(service, call, path, expires)}
    url = f"{service.settings.dds_url()}{call.path.format(**path)}?{urlencode(query)}"
    return url, datetime.fromtimestamp(expires, now().tzinfo)


def check(service: Service, call: Call, path: dict[str, str], query: LinkQuery) -> None:
    """Raises GatewayError 401 for a link that is not ours or has expired."""
    wanted = _signature(service, call, path, query.expires)
    if not hmac.compare_digest(query.signature.encode(), wanted.encode()):
        raise GatewayError(codes.NOT_AUTHENTICATED, "The link's signature is wrong.")
    if now() > datetime.fromtimestamp(query.expires, now().tzinfo):
        raise GatewayError(codes.NOT_AUTHENTICATED, "The link has expired; ask for a new one.")


def _signature(service: Service, call: Call, path: dict[str, str], expires: int) -> str:
    named = "/".join(path[name] for name in call.path_parameters)
    return service.context.vault.digest(f"{named} {expires}", f"link:{call.operation}").hex()
