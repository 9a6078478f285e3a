"""What links that need no token carry."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Wire
from shardhouse.contract.fields import Text, integer


class LinkQuery(Wire):
    """What makes a link good."""

    expires: Annotated[int, integer(0, 1 << 40), Field(description="Seconds since 1970.")]
    signature: Text
