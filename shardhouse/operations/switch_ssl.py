"""Switching TLS on and off while the instance serves.

Members must reach each other at every moment, so each stage differs from the one before only in
what is accepted, or only in how connections are made. On: all accept TLS beside plain connections
(`allowTLS`), all connect with it (`preferTLS`, as they run), all require it. Off: the same back,
which takes a restart more, because a running mongod only ever asks for more TLS. Clients of either
kind are served until the last stage.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from shardhouse.contract.changes import SWITCH_SSL as CALL
from shardhouse.contract.changes import SslBody
from shardhouse.domain.change import Change
from shardhouse.domain.model import Group, GroupType, Instance
from shardhouse.mongo.admin import Clients, prefer_tls
from shardhouse.mongo.commandline import TlsMode
from shardhouse.mongo.wait import Deadline
from shardhouse.operations.tasks import provision, verify
from shardhouse.operations.tasks.roll import Roll
from shardhouse.store import instances
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import now
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

CERTIFICATES = "Write certificates"
ALLOW = "Have all nodes accept TLS"
PREFER = "Have all nodes accept plain connections"
PLAIN = "Have nodes connect to each other without TLS"
RECORD = "Record the option"
REQUIRE = "Require TLS"
DROP = "Accept no TLS any more"
VERIFY = "Verify a majority write"
_ON = (CERTIFICATES, ALLOW, RECORD, REQUIRE, VERIFY)
_OFF = (PREFER, PLAIN, RECORD, DROP, VERIFY)
_SECONDS = 60.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Ssl:
    """Arguments: "1" for on, "0" for off."""

    ssl_option: str

    @property
    def on(self) -> bool:
        """Whether it is switched on."""
        return self.ssl_option == "1"


def plan(asked: Asked[SslBody]) -> Planned[Ssl]:
    """The stages. The present option is accepted: what an earlier attempt left undone is done."""
    on = asked.body.ssl_option
    return Planned(Ssl("1" if on else "0"), steps=_ON if on else _OFF)


def certificates(run: Run[Ssl]) -> None:
    """Each node has its certificate and its authority's."""
    secured = replace(run.instance, ssl=True)
    secrets = provision.keep_secrets(run.context, secured)
    provision.write_files(run.context, secured, secured.nodes, secrets)


def allow(run: Run[Ssl]) -> None:
    """Data nodes accept TLS, then routers use it towards them."""
    if not run.instance.ssl:
        _roll(run, TlsMode.ALLOW, run.instance.data_groups)
        _roll(run, TlsMode.PREFER, run.instance.of_type(GroupType.MONGOS))


def prefer(run: Run[Ssl]) -> None:
    """Data nodes accept plain connections."""
    if run.instance.ssl:
        _roll(run, TlsMode.PREFER, run.instance.data_groups)


def plain(run: Run[Ssl]) -> None:
    """No node uses TLS towards another."""
    if run.instance.ssl:
        _roll(run, TlsMode.ALLOW, run.instance.of_type(GroupType.MONGOS))
        _roll(run, TlsMode.ALLOW, run.instance.data_groups)


def record(run: Run[Ssl]) -> None:
    """From here on every start of a node, and our own connections, are as asked for."""
    with run.context.database.write() as connection:
        change = Change.of_instance(ssl=run.arguments.on)
        instances.apply(connection, run.instance.id, change, now())


def finish(run: Run[Ssl]) -> None:
    """Every node is as the store says. Routers first: they may use TLS only while data nodes accept
    it, and must where those require it."""
    instance = run.instance
    launch = processes.launcher(run.context, instance)
    processes.ensure_all(run.context, instance, launch)
    with run.context.clients(instance) as clients:
        roll = Roll(run.context, instance, launch, clients, abreast=True)
        if not roll.needed():
            return
        if instance.ssl:
            _prefer_everywhere(instance, clients)
        roll.groups(instance.of_type(GroupType.MONGOS), run.report)
        roll.groups(instance.data_groups, run.report)


def prove(run: Run[Ssl]) -> None:
    """All nodes run, and majority writes succeed."""
    processes.ensure_all(run.context, run.instance)
    verify.majority_write(run)


def roll_back(run: Run[Ssl]) -> None:
    """What was not recorded yet is undone; what was recorded is finished by the next attempt."""
    if run.instance.ssl == run.arguments.on:
        return
    finish(run)
    log.info("TLS switch rolled back", instance=run.instance.id, ssl=run.instance.ssl)


def _prefer_everywhere(instance: Instance, clients: Clients) -> None:
    deadline = Deadline(_SECONDS)
    for group in instance.data_groups:
        for node in group.nodes:
            prefer_tls(node.host, clients, deadline)


def _roll(run: Run[Ssl], mode: TlsMode, groups: Sequence[Group]) -> None:
    launch = replace(processes.launcher(run.context, run.instance), tls_mode=mode)
    with run.context.clients(run.instance) as clients:
        Roll(run.context, run.instance, launch, clients, abreast=True).groups(groups, run.report)


SWITCH_SSL = Operation(
    "SWITCH_SSL",
    "SwitchInstanceSSL",
    Ssl,
    (
        Step(CERTIFICATES, certificates),
        Step(ALLOW, allow),
        Step(PREFER, prefer),
        Step(PLAIN, plain),
        Step(RECORD, record),
        Step(REQUIRE, finish),
        Step(DROP, finish),
        Step(VERIFY, prove),
    ),
    call=CALL,
    plan=plan,
    limit=limits.repeated,
    roll_back=roll_back,
)
