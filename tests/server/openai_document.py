"""OpenAI's published OpenAPI document as a validator of live replies.

The document says it is OpenAPI 3.1 and still writes 3.0 in places, which JSON Schema needs put right first:
`nullable: true` becomes a second choice, `null`, and a boolean `exclusiveMinimum` takes over the minimum. `oneOf`
becomes `anyOf`, since the document's alternatives overlap (a plain user message is two kinds of input item at once).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_URI = "urn:openai"


class OpenAIDocument:
    """Checks values against the document's named schemas."""

    def __init__(self, path: Path) -> None:
        published = json.loads(path.read_text(encoding="utf-8"))
        document = {"components": {"schemas": converted(published["components"]["schemas"])}}
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        self._validators: dict[str, Draft202012Validator] = {}
        self._schemas = document["components"]["schemas"]

    def check(self, schema: str, value: Any) -> None:
        """Fails with the place and the reason where a value is not of the schema, such as `Response`."""
        if schema == "ResponseStreamEvent":
            schema = self._event_schema(value)
        if schema not in self._validators:
            reference = {"$ref": f"{_URI}#/components/schemas/{schema}"}
            self._validators[schema] = Draft202012Validator(reference, registry=self._registry)
        error = best_match(self._validators[schema].iter_errors(value))
        if error is not None:
            place = "/".join(str(step) for step in error.absolute_path) or "the value itself"
            shown = json.dumps(error.instance)[:300]
            raise AssertionError(f"Not a {schema}: {place}: {error.message[:300]}: {shown}")

    def _event_schema(self, event: Any) -> str:
        """The one schema of an event's `type`; to try each in turn takes ten times as long."""
        for choice in self._schemas["ResponseStreamEvent"]["anyOf"]:
            name: str = choice["$ref"].rpartition("/")[2]
            if event["type"] in self._schemas[name]["properties"]["type"]["enum"]:
                return name
        raise AssertionError(f"No event is of type {event['type']}")


def converted(schema: Any) -> Any:
    """A schema of the document, and all within it, as JSON Schema 2020-12."""
    if isinstance(schema, list):
        return [converted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        name: converted(value) for name, value in schema.items() if name not in ("example", "examples", "x-oaiMeta")
    }
    is_nullable = result.get("nullable") is True
    if is_nullable:
        del result["nullable"]
    if result.get("exclusiveMinimum") is True:
        result["exclusiveMinimum"] = result.pop("minimum")
    if isinstance(result.get("oneOf"), list):
        result["anyOf"] = result.pop("oneOf")
    return {"anyOf": [result, {"type": "null"}]} if is_nullable and set(result) - {"description"} else result
