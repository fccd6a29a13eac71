"""The form an answer must have: free text, any JSON object, or JSON of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from seatrial.server.errors import bad_request
from seatrial.server.wire.decoding import check_depth
from seatrial.server.wire.tools import check_name


class TextFormat(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Free text."""


class JsonObjectFormat(Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """Any JSON object."""


class JsonSchema(Struct, forbid_unknown_fields=True):
    """A named schema. OpenAI's document leaves `schema` open; it is required here: without it nothing is asked."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON of a schema."""

    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class Form(NamedTuple):
    """What `ChatRequest` says of it: a schema, any object, or neither."""

    json_schema: Mapping[str, Any] | None = None
    json_object: bool = False


FREE = Form()


def form_of(wanted: ResponseFormat | None) -> Form:
    """Raises Failure for a name that cannot be and a strict schema that is not of an object.

    Answers hold to a schema exactly, whether or not `strict` asks for it.
    """
    match wanted:
        case JsonSchemaFormat(json_schema=named):
            check_name(named.name, "response_format.json_schema.name")
            check_depth(named.schema, "response_format.json_schema.schema")
            if named.strict:
                check_strict(named.schema, "response_format.json_schema.schema")
            return Form(json_schema=named.schema)
        case JsonObjectFormat():
            return Form(json_object=True)
        case _:
            return FREE


def check_strict(schema: Mapping[str, Any], param: str) -> None:
    """A strict schema describes an object at its root. Raises Failure `invalid_json_schema`."""
    if schema.get("type") != "object" and "$ref" not in schema:
        raise bad_request(
            f"'{param}' must have \"type\": \"object\" at its root where 'strict' is set.",
            param=param,
            code="invalid_json_schema",
        )
