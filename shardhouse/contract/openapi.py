"""The contract as an OpenAPI 3.1 document."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Nothing, Wire
from shardhouse.error_codes import ErrorCode

_SCHEMAS = "#/components/schemas/"
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error_code", "error_msg"],
    "properties": {
        "error_code": {"type": "string", "examples": [codes.BAD_PARAMETER.code]},
        "error_msg": {"type": "string"},
    },
}


def document(nouns: Mapping[str, Sequence[Call]], version: str) -> dict[str, Any]:
    """All calls, by noun, as one document; `version` is the package's."""
    calls = [call for rows in nouns.values() for call in rows]
    models = dict.fromkeys(model for call in calls for model in (call.body, call.answer))
    named, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=_SCHEMAS + "{model}"
    )
    references = {model: named[model, "validation"] for model in models}
    paths: dict[str, dict[str, Any]] = {}
    for noun, rows in nouns.items():
        for call in rows:
            operation = _operation(call, references) | {"tags": [noun]}
            paths.setdefault(call.path, {})[call.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shardhouse DDS",
            "version": version,
            "summary": "Document Database Service: the DDS v3 API with real MongoDB behind it.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "SDK-HMAC-SHA256 over the request, with an access key.",
                },
            },
        },
    }


def errors(call: Call) -> list[ErrorCode]:
    """What every call of this kind may be refused with, beside what its fields' rules say."""
    found = [codes.BAD_PARAMETER]
    if call.permission:
        found += [codes.NOT_AUTHENTICATED, codes.PROJECT_MISMATCH, codes.NO_PERMISSION]
    if {"instance_id", "node_id"} & set(call.path_parameters):
        by_node = "instance_id" not in call.path_parameters
        found.append(codes.NODE_NOT_FOUND if by_node else codes.INSTANCE_NOT_FOUND)
        if not call.only_reads:
            found += [codes.STATUS_FORBIDS, *([codes.BUSY] if call.rules.idle else [])]
        found += [] if call.rules.all_modes else [codes.NOT_SUPPORTED]
    return found


def _operation(call: Call, references: Mapping[type[Wire], dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": call.operation,
        "summary": call.summary,
        "parameters": [*_path_parameters(call), *_query_parameters(call)],
        "responses": _responses(call, references),
        "security": [{"token": []}, {"signature": []}] if call.permission else [],
    }
    if call.permission:
        operation["x-permission"] = call.permission
    if call.body is not Nothing:
        operation["requestBody"] = _body(call, references[call.body])
    if call.uploads:
        content: dict[str, Any] = {"application/octet-stream": {}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(call: Call) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in call.path_parameters
    ]


def _query_parameters(call: Call) -> list[dict[str, Any]]:
    schema = call.query.model_json_schema(ref_template=_SCHEMAS + "{model}")
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _bare(field)}
        for name, field in schema.get("properties", {}).items()
    ]


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """A field's schema without the title that only repeats its name."""
    return {key: value for key, value in schema.items() if key != "title"}


def _body(call: Call, reference: dict[str, Any]) -> dict[str, Any]:
    schema, example = reference, dict(call.example)
    if call.wrapper:
        schema = {
            "type": "object",
            "required": [call.wrapper],
            "properties": {call.wrapper: reference},
        }
        example = {call.wrapper: example}
    return {
        "required": not call.accepts_no_body,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _responses(call: Call, references: Mapping[type[Wire], dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Accepted" if call.success == 202 else "Done"}
    if call.answer is not Nothing:
        answer["content"] = {"application/json": {"schema": references[call.answer]}}
    responses: dict[str, Any] = {str(call.success): answer}
    for code in sorted(errors(call), key=lambda one: one.status):
        refusal = responses.setdefault(
            str(code.status),
            {
                "description": "",
                "content": {"application/json": {"schema": {"$ref": _SCHEMAS + "Error"}}},
            },
        )
        text = f"{code.code}: {code.meaning}"
        refusal["description"] = "; ".join(filter(None, (refusal["description"], text)))
    return responses
