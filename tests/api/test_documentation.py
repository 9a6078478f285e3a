"""The documentation that the service serves of itself."""

import re

import httpx

from shardhouse.contract.table import CALLS
from tests.installation import Installation


def test_the_openapi_document_needs_no_login(installation: Installation) -> None:
    described = httpx.get(f"{installation.dds}/openapi.json").json()
    operations = {
        operation["operationId"]
        for methods in described["paths"].values()
        for operation in methods.values()
    }
    assert operations == {call.operation for call in CALLS}


def test_the_docs_page_needs_nothing_else(installation: Installation) -> None:
    answer = httpx.get(f"{installation.dds}/docs")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    loaded = re.findall(r"<(?:script|link|img)|(?:src|url)\s*[=(]", answer.text)
    assert not loaded
    assert all(f'id="{call.operation}"' in answer.text for call in CALLS)
