"""What is derived from the contract is there, and new."""

import json
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from shardhouse.contract.call import Nothing
from shardhouse.contract.openapi import document
from shardhouse.contract.reference import pages
from shardhouse.contract.table import CALLS, NOUNS
from shardhouse.reference import TABLES, with_tables

PROJECT = Path(__file__).parents[2]


def test_reference_pages_are_those_of_the_contract() -> None:
    written = {
        path.name: path.read_text() for path in (PROJECT / "docs" / "reference").glob("*.md")
    }
    assert written == pages(NOUNS), "run `make reference`"


@pytest.mark.parametrize("document", sorted({document for document, _ in TABLES}))
def test_tables_in_documents_are_those_of_the_code(document: str) -> None:
    text = (PROJECT / document).read_text()
    assert with_tables(document, text) == text, "run `make reference`"


def test_the_openapi_document_is_valid() -> None:
    described = document(NOUNS, "1.0")
    validate(json.loads(json.dumps(described)))
    assert sum(len(methods) for methods in described["paths"].values()) == len(CALLS)


def test_a_schema_has_the_name_of_its_model() -> None:
    """Two models of one name would be called by their modules."""
    assert not [name for name in document(NOUNS, "1.0")["components"]["schemas"] if "__" in name]


def test_each_call_is_described_with_its_own_body() -> None:
    described = document(NOUNS, "1.0")
    for call in CALLS:
        if call.body is not Nothing:
            operation = described["paths"][call.path][call.method.lower()]
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            own = schema["properties"][call.wrapper] if call.wrapper else schema
            assert own == {"$ref": f"#/components/schemas/{call.body.__name__}"}, call.operation
