"""Giving an instance a new authority and its nodes new certificates, while it serves.

Everything trusts both authorities while certificates change. Data nodes load their files as they
run; routers, and data nodes of releases before 5.0, are started anew one after the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shardhouse import error_codes as codes
from shardhouse.contract.changes import ROTATE_CERTIFICATES as CALL
from shardhouse.contract.changes import RotateBody
from shardhouse.domain.model import GroupType
from shardhouse.errors import DdsError
from shardhouse.mongo import certificates
from shardhouse.mongo.admin import reload_certificates
from shardhouse.operations.tasks import provision, verify
from shardhouse.operations.tasks.roll import NODE_SECONDS, Roll
from shardhouse.store import sealed
from shardhouse.workflows import launch, limits, processes
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

MAKE = "Make a new authority"
TRUST = "Have all nodes trust both authorities"
ISSUE = "Give nodes certificates of the new authority"
RECORD = "Record the new authority"
DROP = "Drop the old authority"
VERIFY = "Verify a majority write"
_RELOADS = (5, 0)
"""The first release that loads certificates while it runs."""


@dataclass(frozen=True)
class Rotate:
    """Arguments: whether to go only as far as trusting both."""

    prepare: bool


def plan(asked: Asked[RotateBody]) -> Planned[Rotate]:
    """The steps. Raises DdsError 403 for an instance without TLS."""
    if not asked.instance.ssl:
        raise DdsError(
            codes.REFUSED_IN_STATE, f"Instance {asked.instance.id} has no TLS; switch it on first."
        )
    only = asked.body.prepare
    return Planned(Rotate(only), steps=(MAKE, TRUST, VERIFY) if only else ())


def make(run: Run[Rotate]) -> None:
    """The authority to come is in the store."""
    context, instance = run.context, run.instance
    with context.database.write() as connection:
        if launch.NEXT_CA_KEY not in sealed.load(connection, context.vault, instance.id):
            made = certificates.issue_ca(f"{instance.name} {instance.id}", datetime.now(UTC))
            secrets = {
                launch.NEXT_CA_CERTIFICATE: made.certificate.decode(),
                launch.NEXT_CA_KEY: made.key.decode(),
            }
            sealed.keep(connection, context.vault, instance.id, secrets)


def trust(run: Run[Rotate]) -> None:
    """Every node trusts both."""
    _use(run, run.context.secrets(run.instance.id))


def issue(run: Run[Rotate]) -> None:
    """Every node has a certificate of the new authority, and trusts both."""
    secrets = run.context.secrets(run.instance.id)
    if launch.NEXT_CA_KEY in secrets:
        _use(run, _swapped(secrets))


def record(run: Run[Rotate]) -> None:
    """The new authority is the instance's."""
    context, instance_id = run.context, run.instance.id
    with context.database.write() as connection:
        secrets = sealed.load(connection, context.vault, instance_id)
        if launch.NEXT_CA_KEY not in secrets:
            return
        swapped = _swapped(secrets)
        kept = {name: swapped[name] for name in (launch.CA_CERTIFICATE, launch.CA_KEY)}
        sealed.replace(connection, context.vault, instance_id, kept)
        for name in (launch.NEXT_CA_CERTIFICATE, launch.NEXT_CA_KEY):
            sealed.forget(connection, instance_id, name)


def drop(run: Run[Rotate]) -> None:
    """Nothing trusts the old authority."""
    _use(run, run.context.secrets(run.instance.id))


def prove(run: Run[Rotate]) -> None:
    """All nodes run, and majority writes succeed."""
    processes.ensure_all(run.context, run.instance)
    verify.majority_write(run)


def _swapped(secrets: Mapping[str, str]) -> dict[str, str]:
    """The secrets as they are to be: the old authority takes the place of the next one."""
    return {
        **secrets,
        launch.CA_CERTIFICATE: secrets[launch.NEXT_CA_CERTIFICATE],
        launch.CA_KEY: secrets[launch.NEXT_CA_KEY],
        launch.NEXT_CA_CERTIFICATE: secrets[launch.CA_CERTIFICATE],
    }


def _use(run: Run[Rotate], secrets: Mapping[str, str]) -> None:
    """Every node has its files of these secrets, and uses them."""
    context, instance = run.context, run.instance
    provision.write_files(context, instance, instance.nodes, secrets)
    starter = processes.launcher(context, instance)
    processes.ensure_all(context, instance, starter)
    groups = list(instance.of_type(GroupType.MONGOS))
    deadline = processes.deadline(context, instance, starter, NODE_SECONDS)
    with context.clients(instance) as clients:
        if starter.engine.release < _RELOADS:
            groups = [*instance.data_groups, *groups]
        else:
            for group in instance.data_groups:
                for node in group.nodes:
                    reload_certificates(node.host, clients, deadline)
        roll = Roll(context, instance, starter, clients, abreast=True, since=run.since)
        roll.groups(groups, run.report)


ROTATE = Operation(
    "ROTATE_CERTIFICATES",
    "RotateCertificates",
    Rotate,
    (
        Step(MAKE, make),
        Step(TRUST, trust),
        Step(ISSUE, issue),
        Step(RECORD, record),
        Step(DROP, drop),
        Step(VERIFY, prove),
    ),
    call=CALL,
    plan=plan,
    limit=limits.repeated,
)
