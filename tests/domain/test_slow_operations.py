"""From when on an operation counts as slow."""

from dataclasses import replace

from shardhouse.domain import audit, configuration, slow_operations
from shardhouse.domain.audit import AuditPolicy, AuditType
from tests.contract.test_changes import SET


def test_a_node_decides_unless_all_its_commands_are_logged() -> None:
    assert slow_operations.least(SET) == 0
    logins = AuditPolicy(7, types=(AuditType.AUTH,)).document()
    assert slow_operations.least(replace(SET, policies={audit.KIND: logins})) == 0
    everything = {audit.KIND: AuditPolicy(7).document()}
    assert slow_operations.least(replace(SET, policies=everything)) == 100
    (entity,) = configuration.entities(SET)
    given = {
        "values": {slow_operations.THRESHOLD: "5"},
        "configuration_id": "",
        "at": "2026-01-31T00:00:00+00:00",
    }
    chosen = everything | {configuration.KIND: {entity.id: given}}
    assert slow_operations.least(replace(SET, policies=chosen)) == 5
