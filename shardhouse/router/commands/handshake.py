"""hello, login, logout: how a connection begins, and who it is from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router import MONGODB_VERSION, client_metadata
from shardhouse.router.auth import certificates, scram
from shardhouse.router.auth.users import User
from shardhouse.router.commands.call import Call
from shardhouse.router.errors import CommandError, bad_value
from shardhouse.router.session import Login
from shardhouse.router.statistics import UNKNOWN
from shardhouse.router.wire import compression, messages, raw

MAX_DOCUMENT = 16 * 1024 * 1024
_CONVERSATION = 1
_METADATA, _LOGIN_FAILED, _LOGGED_IN = 51800, 20249, 20250
"""Numbers of events in MongoDB's own log."""


async def hello(call: Call) -> raw.Document:
    """hello, isMaster, ismaster; held back while the client waits for a change."""
    body, session = call.body, call.session
    counter = await _awaited(call)
    legacy = call.command.name.lower() == "ismaster"
    reply: raw.Document = {
        "ismaster" if legacy else "isWritablePrimary": True,
        "msg": "isdbgrid",
        "topologyVersion": {"processId": call.router.process_id, "counter": Int64(counter)},
        "maxBsonObjectSize": MAX_DOCUMENT,
        "maxMessageSizeBytes": messages.MAX_MESSAGE,
        "maxWriteBatchSize": 100_000,
        "localTime": datetime.now(UTC),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": session.id,
        "maxWireVersion": 17,
        "minWireVersion": 0,
    }
    if body.get("helloOk"):
        reply["helloOk"] = True
    if "client" in body:
        if session.metadata is not None:
            raise CommandError(186, "A connection tells its client metadata once")
        session.metadata = client_metadata.read(body["client"])
        session.forwarded = _forwarded(call)
        call.router.log.note(
            "NETWORK", "client metadata", session.context, number=_METADATA, remote=session.peer,
            client=session.context, doc=session.metadata,
        )  # fmt: skip
    if "compression" in body:
        session.compressors = compression.agreed(
            body["compression"], call.router.options.compressors
        )
        if session.compressors:
            reply["compression"] = session.compressors
    if isinstance(body.get("saslSupportedMechs"), str):
        reply["saslSupportedMechs"] = await _mechanisms(call, body["saslSupportedMechs"])
    if isinstance(body.get("speculativeAuthenticate"), RawBSONDocument):
        speculative = await _speculative(
            call, raw.shallow(bytes(body["speculativeAuthenticate"].raw))
        )
        if speculative is not None:
            reply["speculativeAuthenticate"] = speculative
    return reply


def _forwarded(call: Call) -> RawBSONDocument:
    """The driver's metadata with the router's: shards show both in `$currentOp` and their logs."""
    through = {
        "host": call.router.name, "client": call.session.peer, "version": MONGODB_VERSION,
    }  # fmt: skip
    told = {**call.session.metadata, "mongos": through}
    return RawBSONDocument(raw.encode(told), raw.RAW)


async def _awaited(call: Call) -> int:
    """The topology's counter, once it differs from the client's or the client's patience ends."""
    stopping = call.router.stopping
    known, patience = call.body.get("topologyVersion"), call.body.get("maxAwaitTimeMS")
    if (known is None) != (patience is None):
        raise CommandError(31372, "topologyVersion and maxAwaitTimeMS go together")
    if isinstance(known, RawBSONDocument) and isinstance(patience, int) and patience >= 0:
        version = raw.shallow(bytes(known.raw))
        same_process = version.get("processId") == call.router.process_id
        if same_process and not stopping.is_set() and version.get("counter") == 0:
            try:
                async with asyncio.timeout(patience / 1000):
                    await stopping.wait()
            except TimeoutError:
                pass
    return int(stopping.is_set())


async def _mechanisms(call: Call, name: str) -> list[str]:
    database, _, user_name = name.partition(".")
    user = await call.router.users.get(database, user_name)
    return sorted(user.credentials) if user else []


async def _speculative(call: Call, body: raw.Document) -> raw.Document | None:
    """The first step of a login inside hello; a failure is no error, the client logs in later."""
    name, mechanism = next(iter(body), ""), str(body.get("mechanism"))
    if name not in ("saslStart", "authenticate"):
        return None
    call.router.statistics.speculative_received[_counted(mechanism)] += 1
    try:
        database = str(body.get("db", "admin"))
        if name == "saslStart":
            return await _begin(call, body, database, speculative=True)
        reply = await _by_certificate(call, body, database)
    except CommandError:
        return None
    call.router.statistics.speculative_successful[_counted(mechanism)] += 1
    return reply


async def sasl_start(call: Call) -> raw.Document:
    """saslStart."""
    return await _begin(call, call.body, call.db)


async def authenticate(call: Call) -> raw.Document:
    """authenticate: by the connection's certificate; older mechanisms are gone from servers too."""
    return await _by_certificate(call, call.body, call.db)


async def _by_certificate(call: Call, body: Mapping[str, Any], database: str) -> raw.Document:
    mechanism, session = body.get("mechanism"), call.session
    _check_enabled(call, mechanism, (certificates.MECHANISM,))
    call.router.statistics.logins_received[certificates.MECHANISM] += 1
    name, refusal = _subject(call, body.get("user"), database)
    user = None if refusal else await call.router.users.get(database, name)
    if user is None or not user.may_come_from(session.peer_host, _host(session.local)):
        call.router.log.alert(
            "ACCESS", "Authentication failed", session.context, number=_LOGIN_FAILED,
            mechanism=mechanism, principalName=name, authenticationDatabase=database,
            remote=session.peer, error=refusal or "no such user, or not from there",
        )  # fmt: skip
        call.router.audit.logged_in(
            session, None, name, database, certificates.MECHANISM, scram.failed().code
        )
        if refusal or user is not None:
            raise scram.failed()
        raise CommandError(11, f'Could not find user "{name}" for db "{database}"')
    _log_in(call, user, certificates.MECHANISM)
    return {"dbname": database, "user": name}


def _subject(call: Call, asked: object, database: str) -> tuple[str, str]:
    """Whom the client's certificate names, and why that is no login, if it is none."""
    tls, own = call.session.tls, call.router.options.tls_certificate
    if own is None:
        raise CommandError(17, "SSL support is required for the MONGODB-X509 mechanism.")
    if database != certificates.DATABASE:
        raise CommandError(17, "X.509 authentication must always use the $external database.")
    certificate = tls.getpeercert(True) if tls is not None else None
    if not certificate:
        return "", "no verified client certificate"
    name = certificates.subject(certificate)
    if asked is not None and asked != name:
        return name, "the certificate is another user's"
    if certificates.is_member(certificate, Path(own).read_bytes()):
        return name, "the certificate is a cluster member's, not a client's"
    return name, ""


def _check_enabled(call: Call, mechanism: object, served: Collection[str]) -> None:
    enabled = call.router.parameters["authenticationMechanisms"]
    if not isinstance(mechanism, str) or mechanism not in served or mechanism not in enabled:
        named = mechanism if isinstance(mechanism, str) else ""
        raise CommandError(334, f"Received authentication for mechanism {named} not enabled")


def _counted(mechanism: str) -> str:
    """The name under which attempts are counted: a client may call a mechanism anything."""
    known = mechanism in scram.DIGESTS or mechanism == certificates.MECHANISM
    return mechanism if known else UNKNOWN


async def _begin(
    call: Call, body: Mapping[str, Any], database: str, *, speculative: bool = False
) -> raw.Document:
    mechanism, payload = body.get("mechanism"), body.get("payload")
    _check_enabled(call, mechanism, scram.DIGESTS)
    mechanism = str(mechanism)
    call.router.statistics.logins_received[mechanism] += 1
    if not isinstance(payload, bytes):
        raise bad_value("saslStart needs a binary payload")
    name = scram.user_of(payload)
    user = await call.router.users.get(database, name)
    credential = user.credentials.get(mechanism) if user else None
    known = credential is not None
    if credential is None:
        if speculative:  # the client learns its user's mechanisms, and takes one of them
            raise scram.failed()
        credential = scram.Credential.of_nobody(f"{name}@{database}", mechanism, call.router.secret)
    conversation = scram.ServerConversation(mechanism, credential)
    answer = conversation.first(payload)
    options = body.get("options")
    asked = raw.shallow(bytes(options.raw)) if isinstance(options, RawBSONDocument) else {}
    skip = bool(asked.get("skipEmptyExchange"))
    call.session.login = Login(
        name,
        database,
        user if known else None,
        conversation,
        mechanism,
        skip,
        speculative=speculative,
    )
    return {"conversationId": _CONVERSATION, "done": False, "payload": answer}


async def sasl_continue(call: Call) -> raw.Document:
    """saslContinue."""
    session, login = call.session, call.session.login
    payload = call.body.get("payload")
    if login is None or call.body.get("conversationId") != _CONVERSATION:
        raise CommandError(17, "No SASL session state found")
    if not isinstance(payload, bytes):
        raise bad_value("saslContinue needs a binary payload")
    if login.verified:
        return _finish(call, login, b"")
    try:
        answer = login.conversation.final(payload)
        user = login.user
        if user is None or not user.may_come_from(session.peer_host, _host(session.local)):
            raise scram.failed()
    except CommandError:
        session.login = None
        call.router.log.alert(
            "ACCESS", "Authentication failed", session.context, number=_LOGIN_FAILED,
            mechanism=login.mechanism, speculative=login.speculative,
            principalName=login.user.name if login.user else None,
            authenticationDatabase=login.user.database if login.user else None,
            remote=session.peer, error="the proof does not fit, or not from there",
        )  # fmt: skip
        call.router.audit.logged_in(
            session, None, login.name, login.database, login.mechanism, scram.failed().code
        )
        raise
    login.verified = True
    if login.skip_empty:
        return _finish(call, login, answer)
    return {"conversationId": _CONVERSATION, "done": False, "payload": answer}


def _finish(call: Call, login: Login, answer: bytes) -> raw.Document:
    assert login.user is not None
    call.session.login = None
    _log_in(call, login.user, login.mechanism)
    if login.speculative:
        call.router.statistics.speculative_successful[login.mechanism] += 1
    return {"conversationId": _CONVERSATION, "done": True, "payload": answer}


def _log_in(call: Call, user: User, mechanism: str) -> None:
    session = call.session
    if session.identity not in (None, (user.database, user.name)):
        raise CommandError(18, "Each client connection may only be authenticated once.")
    session.identity, session.user_id = (user.database, user.name), user.id
    call.router.statistics.logins_successful[mechanism] += 1
    call.router.log.note(
        "ACCESS", "Authentication succeeded", session.context, number=_LOGGED_IN,
        mechanism=mechanism, principalName=user.name, authenticationDatabase=user.database,
        remote=session.peer,
    )  # fmt: skip
    call.router.audit.logged_in(session, user, user.name, user.database, mechanism, 0)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


async def logout(call: Call) -> raw.Document:
    """logout."""
    call.router.audit.logged_out(call.session, call.user)
    call.session.identity = call.session.user_id = None
    return {}
