"""For calls that ask an instance's MongoDB: the error a client gets when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from shardhouse import error_codes as codes
from shardhouse.domain.model import Instance
from shardhouse.errors import DdsError, MongoError


@contextmanager
def answering(instance: Instance) -> Iterator[None]:
    """Raises DdsError 403 where MongoDB does not answer inside."""
    try:
        yield
    except (MongoError, PyMongoError) as error:
        raise DdsError(
            codes.REFUSED_IN_STATE, f"Instance {instance.id} does not answer: {error}"
        ) from None
