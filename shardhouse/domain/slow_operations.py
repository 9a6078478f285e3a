"""From when on an operation counts as slow."""

from shardhouse.domain import audit, configuration, parameters
from shardhouse.domain.model import Instance

THRESHOLD = "operationProfiling.slowOpThresholdMs"


def least(instance: Instance) -> int:
    """Milliseconds that an operation of the log of slow ones has taken at least. While commands are
    audited a mongod logs all of them alike, so what was configured decides; else the node did, and
    it is 0."""
    audited = audit.policy(instance).filter
    if audited is None or not audited.commands:
        return 0
    default = parameters.BY_NAME[THRESHOLD].default
    return min(
        int(configuration.assigned(instance, entity.id).values.get(THRESHOLD, default))
        for entity in configuration.entities(instance)
    )
