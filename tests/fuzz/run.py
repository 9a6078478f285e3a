"""Runs of the fuzzer against one service, and what every answer has to look like."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fuzz.grammar import PASSWORD, Grammar, Request
from tests.installation import Installation
from tests.ports.raw import Answer, Raw

HANG_SECONDS = 5.0
GLANCE_SECONDS = 0.1
"""How long what is no whole request is listened to."""
SLOW = 4
"""Connections of each run that have sent half a request and send no more."""


@dataclass
class Run:
    """Random requests of one seed, one after the other."""

    installation: Installation
    seed: int
    secrets: list[str]
    number: int = 0
    findings: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    _slow: list[Raw] = field(default_factory=list)

    def go(self, seconds: float) -> None:
        """Until the time is over."""
        installation = self.installation
        ports = {
            "dds": httpx.URL(installation.dds).port or 0,
            "iam": httpx.URL(installation.iam).port or 0,
        }
        grammar = Grammar(self.seed, installation.project_id, installation.token())
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.number += 1
            request = grammar.request()
            try:
                self._send(ports[request.port], request)
            except TimeoutError:
                self._found("no answer within 5 s", request)
            except (OSError, AssertionError, ValueError) as error:
                self._found(f"not an answer: {error!r}", request)
        for raw in self._slow:
            raw.socket.close()

    def _send(self, port: int, request: Request) -> None:
        if not request.whole and self.number % 3 == 0:
            self._slow.append(Raw(port).send(request.data))
            if len(self._slow) > SLOW:
                self._slow.pop(0).socket.close()
            return
        with Raw(port) as raw:
            raw.socket.settimeout(HANG_SECONDS if request.whole else GLANCE_SECONDS)
            raw.send(request.data)
            answer = None
            with suppress(*() if request.whole else (TimeoutError,)):
                answer = raw.answer(without_body=request.method == "HEAD")
        if answer is not None:
            self.statuses[answer.status] += 1
            for problem in problems(answer, request, self.secrets):
                self._found(problem, request)
        elif request.whole:
            self._found("closed without an answer", request)

    def _found(self, problem: str, request: Request) -> None:
        told = f"seed {self.seed}, request {self.number}: {problem}\n  {request.data[:1500]!r}"
        self.findings.append(told)


def problems(answer: Answer, request: Request, secrets: list[str]) -> Iterator[str]:
    """What no answer may have."""
    if answer.status >= 500:
        yield f"HTTP {answer.status}: {answer.body[:300]!r}"
    if not answer.headers.get("x-request-id"):
        yield f"HTTP {answer.status} without a request id"
    told = dict(answer.headers)
    told.pop("x-subject-token", None)  # a token is told to the one who asked for it
    text = answer.body.decode("utf-8", "replace") + repr(told)
    yield from (f"the secret {secret!r} is told" for secret in secrets if secret in text)
    if answer.status >= 400 and request.method != "HEAD" and request.whole:
        content = json.loads(answer.body)
        # The body itself says what is wrong, or its only field does.
        (inner,) = content.values() if len(content) == 1 else (content,)
        if not (inner.get("error_msg") or inner.get("message")):
            yield f"HTTP {answer.status} in no shape of ours: {answer.body[:300]!r}"


def secrets(installation: Installation) -> list[str]:
    """What nothing may tell."""
    admin = installation.admin
    master = (installation.data_dir / "master.key").read_bytes().decode("latin-1").strip()
    return [admin["password"], admin["secret_key"], installation.token(), PASSWORD, master]


def many(installation: Installation, seeds: range, seconds: float) -> list[Run]:
    """Several runs at the same time; a finding of nobody's seed is that others have to wait."""
    told = secrets(installation)
    runs = [Run(installation, seed, told) for seed in seeds]
    threads = [threading.Thread(target=run.go, args=(seconds,)) for run in runs]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        try:
            for url in (installation.dds, installation.iam):
                assert httpx.get(url, timeout=HANG_SECONDS).status_code < 400
        except (httpx.HTTPError, AssertionError) as error:
            runs[0].findings.append(f"others: {error!r}")
        time.sleep(0.2)
    return runs


def complaints(log: str, told: list[str]) -> list[str]:
    """Lines of the log that are no event, that tell of a mistake of ours, or a secret."""
    found = []
    for line in log.splitlines():
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            event = {"level": "none"}
        if event.get("level") not in ("debug", "info", "warning"):
            found.append(line)
        found += [f"the secret {secret!r} is logged" for secret in told if secret in line]
    return found
