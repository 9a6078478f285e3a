"""Logs, files of them, and what is audited."""

import gzip
import json
import re
import uuid
from contextlib import suppress
from typing import Any

import httpx
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.console.conftest import Visitor, alerts
from tests.installation import until, uri

Made = dict[str, Any]


def test_errors_are_filtered_and_made_files_of(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}/logs"
    name = f"failing{uuid.uuid4().hex[:8]}"
    with MongoClient(uri(shared_replica)) as client:
        client["console"][name].insert_one({})
        with suppress(OperationFailure):
            client["console"][name].find_one({"$where": "throw 'on purpose'"})
        client["console"][name].drop()
    words = f"executor {name}"
    until("the line", lambda: 'class="mono line">' in visitor.get(place, words=words).text)
    assert "no lines that match" in visitor.get(place, words=f"{words} nowhere").text
    page = visitor.get(place, words=words, severity="Error").text
    assert "no lines that match" in page  # it is a warning
    assert alerts(visitor.get(place, node="0" * 32 + "no02")) != []
    made = visitor.send(f"{place}/files", kind="errors")
    params = dict(made.url.params)

    def links() -> list[str]:
        page = visitor.get(f"{place}/files", **params).text
        return re.findall(r'<a href="([^"]+/v3/log-files/[^"]+)"', page)

    nodes = sum(len(group["nodes"]) for group in shared_replica["groups"])
    until("the files", lambda: len(links()) == nodes)
    texts = [
        gzip.decompress(httpx.get(link.replace("&amp;", "&")).content).decode() for link in links()
    ]
    # Of the last quarter of an hour: another test may have had them made.
    assert [json.loads(line) for text in texts for line in text.splitlines()]
    assert visitor.send(f"{place}/files", kind="none").status_code == 400


def test_values_are_masked_and_shown(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}/logs"
    assert "are shown" in visitor.send(f"{place}/masking", status="off").text
    assert "are masked" in visitor.send(f"{place}/masking", status="on").text
    assert "are masked" in visitor.get(place).text
    assert visitor.send(f"{place}/masking", status="other").status_code == 400


def test_what_is_audited_is_changed_and_downloaded(visitor: Visitor, shared_cluster: Made) -> None:
    place = f"/instances/{shared_cluster['id']}/logs/audit"
    name = f"audited{uuid.uuid4().hex[:8]}"
    answer = visitor.send(place, keep_days="3", audit_scope="all", audit_types=["insert"])
    assert answer.status_code == 400
    assert "keep_days" in alerts(answer)[0]
    answer = visitor.send(
        place, keep_days="7", audit_scope="all", audit_types=["insert"], reserve_auditlogs="true"
    )
    try:
        assert "insert of all are audited, and kept for 7 days" in answer.text
        with MongoClient(uri(shared_cluster)) as client:
            client["console"][name].insert_one({})
            client.drop_database("console")

        def entries() -> str:
            page = visitor.get(place).text
            links = re.findall(r'href="/console([^"]+/logs/audit/[^"]+)"', page)
            files = [gzip.decompress(visitor.get(link).content) for link in links]
            return b"".join(files).decode()

        until("the entry", lambda: name in entries())
    finally:
        answer = visitor.send(place, keep_days="0", reserve_auditlogs="false")
    assert "Nothing is audited." in answer.text, alerts(answer)
