"""The whole document, put together from operations and schemas.

In: the name of a model for the examples. Out: an OpenAPI 3.1 document, as a value or as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from seatrial import __version__
from seatrial.server.openapi.chunks import Error
from seatrial.server.openapi.failures import FAILURES, FailureKind
from seatrial.server.openapi.operation import JSON, MODEL, Operation, Parameter
from seatrial.server.openapi.operations import GROUPS, OPERATIONS
from seatrial.server.openapi.schemas import Schema, Schemas, body_schemas, merged, reply_schemas
from seatrial.server.wire.responses_tools import FlatFunction

_STREAM = "text/event-stream"
_ABOUT = (
    "An OpenAI-compatible server: any OpenAI client works by changing `base_url` and the name of the model. "
    "In requests, `null` and leaving a field out mean the same; fields that are not listed are refused by name."
)
_HEADERS = {
    "x-request-id": ("The request's id: the one that was sent, where it was a good one, or a new one.", "string"),
    "openai-processing-ms": ("Milliseconds that the server took before it answered.", "integer"),
    "retry-after": ("Whole seconds to wait before the next try.", "integer"),
    "retry-after-ms": ("The same in milliseconds.", "integer"),
    "x-ratelimit-limit-requests": ("Requests a minute that this key has, where it has a limit.", "integer"),
    "x-ratelimit-remaining-requests": ("How many of them are left.", "integer"),
    "x-ratelimit-reset-requests": ("How long until all are there again, such as `1.5s` or `6m0s`.", "string"),
    "x-ratelimit-limit-tokens": ("Tokens a minute that this key has, where it has a limit.", "integer"),
    "x-ratelimit-remaining-tokens": ("How many of them are left.", "integer"),
    "x-ratelimit-reset-tokens": ("How long until all are there again.", "string"),
}


@lru_cache(maxsize=4)
def openapi_json(example_model: str) -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(openapi_document(example_model))


def openapi_document(example_model: str) -> dict[str, Any]:
    """The document. `example_model` stands in its examples."""
    bodies = _distinct(operation.body for operation in OPERATIONS)
    replies = _distinct(kind for operation in OPERATIONS for kind in (operation.reply, operation.event))
    read, written = body_schemas([*bodies, FlatFunction]), reply_schemas([*replies, Error])
    schema_of = _by_type(bodies, read), _by_type(replies, written)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        described = _operation(operation, *schema_of, example_model)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Seatrial",
            "version": __version__,
            "summary": "Models, behind the OpenAI API.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "tags": [{"name": name, "description": words} for name, words in GROUPS.items()],
        "paths": paths,
        "components": {
            "schemas": merged(read.components, written.components),
            "responses": {kind.name: _failure(kind) for kind in FAILURES.values()},
            "headers": {
                name: {"description": words, "schema": {"type": kind}} for name, (words, kind) in _HEADERS.items()
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key. Whether the server asks for one is the operator's choice.",
                }
            },
        },
    }


def _distinct(types: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for kind in types:
        if kind is not None and kind not in found:
            found.append(kind)
    return found


def _by_type(types: list[Any], schemas: Schemas) -> list[tuple[Any, Schema]]:
    return list(zip(types, schemas.of, strict=False))


def _schema(of: list[tuple[Any, Schema]], wanted: Any) -> Schema:
    return next(schema for kind, schema in of if kind == wanted)


def _operation(
    operation: Operation, bodies: list[tuple[Any, Schema]], replies: list[tuple[Any, Schema]], example_model: str
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.group],
        "summary": operation.title,
        "description": operation.words,
    }
    if operation.is_open:
        described["security"] = []
    if operation.parameters:
        described["parameters"] = [_parameter(parameter, example_model) for parameter in operation.parameters]
    if operation.body is not None:
        content: dict[str, Any] = {"schema": _schema(bodies, operation.body)}
        if operation.example is not None:
            content["example"] = filled(operation.example, example_model)
        described["requestBody"] = {"required": True, "content": {JSON: content}}
    if operation.python:
        source = operation.python.replace(MODEL, example_model)
        described["x-codeSamples"] = [{"lang": "Python", "source": source}]
    described["responses"] = {"200": _success(operation, replies)} | {
        str(status): {"$ref": f"#/components/responses/{FAILURES[status].name}"} for status in operation.failures
    }
    return described


def filled(example: Any, model: str) -> Any:
    """An example with the model's name in its place."""
    if isinstance(example, Mapping):
        return {name: filled(value, model) for name, value in example.items()}
    if isinstance(example, list | tuple):
        return [filled(value, model) for value in example]
    return example.replace(MODEL, model) if isinstance(example, str) else example


def _parameter(parameter: Parameter, example_model: str) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.words,
        "schema": dict(parameter.schema),
        "example": filled(parameter.example, example_model),
    }
    if parameter.schema.get("type") == "object":
        described |= {"style": "deepObject", "explode": True}  # `metadata[name]=value`
    return described


def _success(operation: Operation, replies: list[tuple[Any, Schema]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if operation.reply is not None:
        content[JSON] = {"schema": _schema(replies, operation.reply)}
    if operation.event is not None:
        content[_STREAM] = {"schema": _event(_schema(replies, operation.event), operation.stream_end)}
    if not content:
        content[operation.media_type] = {"schema": {"type": "string" if operation.media_type != JSON else "object"}}
    headers = _header_references("" if operation.is_open else "x-ratelimit")
    return {"description": "Answered.", "headers": headers, "content": content}


def _event(data: Schema, end: str) -> Schema:
    """One server-sent event. Its data is JSON, an error possibly; or `end`, where a stream has such a last line."""
    one_of = {"anyOf": [data, {"$ref": "#/components/schemas/Error"}]}
    value: Schema = {"type": "string", "contentMediaType": JSON, "contentSchema": one_of}
    if end:
        value = {"anyOf": [{"const": end}, value]}
    return {"type": "object", "properties": {"event": {"type": "string"}, "data": value}, "required": ["data"]}


def _failure(kind: FailureKind) -> dict[str, Any]:
    codes = f" Codes: {', '.join(f'`{code}`' for code in kind.codes)}." if kind.codes else ""
    return {
        "description": kind.words + codes,
        "headers": _header_references("retry" if kind.is_worth_retrying else ""),
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _header_references(prefix: str) -> dict[str, Any]:
    """The headers of every reply, and those that begin with `prefix`."""
    always = ("x-request-id", "openai-processing-ms")
    names = (name for name in _HEADERS if name in always or (prefix and name.startswith(prefix)))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
