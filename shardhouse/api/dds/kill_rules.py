"""Rules that end operations of clients, as the DDS API writes them."""

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.kill_rules import (
    DISABLED,
    ENABLE,
    ENABLED,
    MOST_RULES,
    RuleBody,
    RuleIdsBody,
    RuleItem,
    RulesAnswer,
    RulesQuery,
    SwitchRulesBody,
)
from shardhouse.domain import rules
from shardhouse.domain.kill_rules import KillRule, NodeType
from shardhouse.domain.model import Instance
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.store import kill_rules
from shardhouse.workflows.context import now


def list_rules(request: Request[RulesQuery, Nothing]) -> RulesAnswer:
    """A page of an instance's rules."""
    query, instance = request.query, request.instance()
    with request.service.database.read() as connection:
        found = kill_rules.of_instance(connection, instance.id)
    chosen = [one for one in found if _is_wanted(query, one)]
    page = chosen[query.offset : query.offset + query.limit]
    return RulesAnswer(rules=[_item(one) for one in page], total_count=len(chosen))


def create_rule(request: Request[Nothing, RuleBody]) -> Nothing:
    """Make a rule, which is disabled at first. Raises DdsError 400 for one without a limit, with
    nodes that the instance does not have, and beyond 10 of an instance."""
    instance = request.ready_instance()
    rule = planned(instance, request.body)
    with request.service.database.write() as connection:
        if len(kill_rules.of_instance(connection, instance.id)) >= MOST_RULES:
            raise DdsError(
                codes.NOT_LEGAL_HERE,
                f"Instance {instance.id} has {MOST_RULES} rules already; delete one first.",
            )
        kill_rules.add(connection, rule)
    return Nothing()


def planned(instance: Instance, body: RuleBody) -> KillRule:
    """What a body asks for. Raises DdsError 400 for a rule without a limit, or for nodes that the
    instance does not have."""
    if not body.max_concurrency and not body.secs_running:
        raise bad_parameter("secs_running", "it or max_concurrency must be more than 0")
    node_type = NodeType(body.node_type)
    if node_type.mode is not instance.mode:
        allowed = [one for one in NodeType if one.mode is instance.mode]
        rules.one_of("node_type", body.node_type, allowed, codes.NODE_TYPE_MISMATCH)
    return KillRule(
        id=str(uuid.uuid4()),
        instance_id=instance.id,
        operation_types=tuple(body.operation_types),
        namespace="".join(body.namespaces),
        client_ips=tuple(body.client_ips),
        plan_summary=body.plan_summary,
        max_concurrency=body.max_concurrency,
        secs_running=body.secs_running,
        node_type=node_type,
        enabled=False,
        killed=0,
        created_at=now(),
    )


def switch_rules(request: Request[Nothing, SwitchRulesBody]) -> Nothing:
    """Enable or disable rules; all or none. Raises DdsError 400 for one that does not exist."""
    body, instance = request.body, request.ready_instance()
    with request.service.database.write() as connection:
        _named(connection, instance, body.ids)
        kill_rules.switch(connection, body.ids, on=body.action == ENABLE)
    return Nothing()


def delete_rules(request: Request[Nothing, RuleIdsBody]) -> Nothing:
    """Delete rules; all or none. Raises DdsError: 400 for one that does not exist, 403 for one that
    is enabled."""
    body, instance = request.body, request.ready_instance()
    with request.service.database.write() as connection:
        working = [one.id for one in _named(connection, instance, body.ids) if one.enabled]
        if working:
            raise DdsError(
                codes.REFUSED_IN_STATE,
                f"Rules that are enabled cannot be deleted: {', '.join(working)}. Disable them.",
            )
        kill_rules.remove(connection, body.ids)
    return Nothing()


def _named(connection: Connection, instance: Instance, ids: Sequence[str]) -> list[KillRule]:
    known = {one.id: one for one in kill_rules.of_instance(connection, instance.id)}
    if missing := [one for one in ids if one not in known]:
        raise DdsError(
            codes.RESOURCE_NOT_FOUND,
            f"Instance {instance.id} has no kill rule {', '.join(missing)}.",
        )
    return [known[one] for one in ids]


def _is_wanted(query: RulesQuery, rule: KillRule) -> bool:
    return (
        (not query.operation_types or query.operation_types in rule.operation_types)
        and (not query.namespaces or query.namespaces == rule.namespace)
        and (not query.status or (query.status == ENABLED) is rule.enabled)
        and (not query.plan_summary or query.plan_summary == rule.plan_summary)
    )


def _item(rule: KillRule) -> RuleItem:
    return RuleItem(
        id=rule.id,
        operation_types=",".join(rule.operation_types),
        status=ENABLED if rule.enabled else DISABLED,
        namespaces=rule.namespace,
        client_ips=",".join(rule.client_ips),
        plan_summary=rule.plan_summary,
        max_concurrency=rule.max_concurrency,
        secs_running=rule.secs_running,
        node_type=rule.node_type,
        killed=rule.killed,
    )
