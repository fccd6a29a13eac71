"""The document as a page: `/docs`.

In: the OpenAPI document and where the server is found. Out: HTML, whole without scripts, that asks nobody else for
anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from seatrial.server.openapi.document import openapi_document
from seatrial.server.openapi.schemas import Schema, references
from seatrial.server.page.assets import read_assets

TEMPLATES = Path(__file__).parents[1] / "page"
_DEEPEST = 4
_CODE = re.compile(r"`([^`]+)`")


class Sample(NamedTuple):
    """Code to copy."""

    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its type and limits in words, and the shapes that its value may have."""

    name: str
    kind: str
    words: str
    is_required: bool
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """An object and its fields. `tag` tells it from the other shapes at its place, such as `type: "text"`."""

    name: str
    tag: str
    words: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation on the page. `same_as` is the id of one above that has the same answer, whose fields stand there."""

    id: str
    method: str
    path: str
    title: str
    words: str
    parameters: tuple[Field, ...]
    body: Shape | None
    reply: Shape | None
    reply_words: str
    same_as: str
    events: tuple[Shape, ...]
    failures: tuple[str, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations under one heading."""

    name: str
    words: str
    entries: tuple[Entry, ...]


@lru_cache(maxsize=4)
def docs_page(example_model: str, base_url: str) -> bytes:
    """The page, for a server at `base_url` (no slash at its end)."""
    document = openapi_document(example_model)
    reader = _Reader(document, base_url)
    groups = tuple(reader.groups())
    page = (
        _environment()
        .get_template("docs.html.jinja")
        .render(
            document=document,
            groups=groups,
            titles={entry.id: entry.title for group in groups for entry in group.entries},
            failures=reader.failures(),
            headers=document["components"]["headers"],
            base_url=base_url,
            model=example_model,
        )
    )
    return read_assets().linked(page).encode()


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    return environment


def _prose(words: str) -> Markup:
    """Plain words with `code` in them."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(words))))


class _Reader:
    """Reads a document into what the page shows."""

    def __init__(self, document: Mapping[str, Any], base_url: str) -> None:
        self.document, self.base_url = document, base_url
        self.components: Mapping[str, Schema] = document["components"]["schemas"]
        self.first_with: dict[str, str] = {}

    def groups(self) -> Iterator[Group]:
        for tag in self.document["tags"]:
            entries = tuple(
                self._entry(method, path, operation)
                for path, methods in self.document["paths"].items()
                for method, operation in methods.items()
                if tag["name"] in operation["tags"]
            )
            yield Group(tag["name"], tag["description"], entries)

    def failures(self) -> tuple[tuple[str, str, str], ...]:
        """Status, its name, its meaning."""
        by_name = {
            reference["$ref"].rpartition("/")[2]: status
            for methods in self.document["paths"].values()
            for operation in methods.values()
            for status, reference in operation["responses"].items()
            if "$ref" in reference
        }
        kinds = self.document["components"]["responses"]
        rows = ((by_name[name], kind["description"]) for name, kind in kinds.items() if name in by_name)
        return tuple((status, _phrase(status), words) for status, words in sorted(rows))

    def _entry(self, method: str, path: str, operation: Mapping[str, Any]) -> Entry:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        answered = operation["responses"]["200"]
        reply = answered["content"].get("application/json", {}).get("schema")
        event = answered["content"].get("text/event-stream", {}).get("schema")
        answer = next(references(reply), "")
        same_as = self.first_with.setdefault(answer, operation["operationId"]) if answer else ""
        is_first = same_as == operation["operationId"]
        return Entry(
            operation["operationId"],
            method.upper(),
            path,
            operation["summary"],
            operation["description"],
            tuple(self._parameter(parameter) for parameter in operation.get("parameters", ())),
            self._shape_of(content.get("schema")),
            self._shape_of(reply, is_reply=True) if is_first else None,
            ", ".join(f"`{media_type}`" for media_type in answered["content"]),
            "" if is_first else same_as,
            self._shapes(event, (answer, "Error"), is_reply=True) if event and is_first else (),
            tuple(status for status in operation["responses"] if status != "200"),
            tuple(self._samples(method, path, operation, content.get("example"))),
        )

    def _parameter(self, parameter: Mapping[str, Any]) -> Field:
        kind = f"{self._kind(parameter['schema'])}, in the {parameter['in']}"
        return Field(parameter["name"], kind, parameter["description"], parameter["required"], ())

    def _shape_of(self, schema: Schema | None, *, is_reply: bool = False) -> Shape | None:
        shapes = self._shapes(schema, (), is_reply=is_reply) if schema is not None else ()
        return shapes[0] if len(shapes) == 1 else None

    def _shapes(self, schema: Schema, above: tuple[str, ...], *, is_reply: bool = False) -> tuple[Shape, ...]:
        """The objects that a value of this schema is, or holds; none below `_DEEPEST` or inside themselves."""
        if len(above) >= _DEEPEST:
            return ()
        names = dict.fromkeys(references(schema))
        return tuple(self._shape(name, above, is_reply) for name in names if name not in above)

    def _shape(self, name: str, above: tuple[str, ...], is_reply: bool) -> Shape:
        component = self.components[name]
        required = component.get("required", ())
        tag = ""
        fields = []
        for field, schema in component.get("properties", {}).items():
            if field in ("type", "role") and len(schema.get("enum", ())) == 1 and not tag:
                tag = f'{field}: "{schema["enum"][0]}"'
            elif schema.get("type") != "null":
                kind = self._kind(schema) + (" | null" if is_reply and _may_be_null(schema) else "")
                shapes = self._shapes(schema, (*above, name), is_reply=is_reply)
                fields.append(Field(field, kind, schema.get("description", ""), field in required, shapes))
        fields.sort(key=lambda field: not field.is_required)
        return Shape(name, tag, component.get("description", ""), tuple(fields))

    def _kind(self, schema: Schema, s: str = "") -> str:
        """A type and its limits in words; in the plural with `s`."""
        if "$ref" in schema:
            component = self.components[schema["$ref"].rpartition("/")[2]]
            return f"object{s}" if "properties" in component else self._kind(component, s)
        if "const" in schema:
            return json.dumps(schema["const"])
        if "enum" in schema:
            return " | ".join(json.dumps(value) for value in schema["enum"])
        if "anyOf" in schema:
            kinds = dict.fromkeys(self._kind(part, s) for part in schema["anyOf"])
            return " | ".join(kind for kind in kinds if kind != "null")
        match schema.get("type"):
            case "array":
                return f"list{s} of {self._kind(schema.get('items', {}), 's')}{_bounds(schema, 'Items', ' items')}"
            case "string":
                return f"string{s}{_bounds(schema, 'Length', ' characters')}"
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                values = self._kind(schema["additionalProperties"], "s")
                return f"object{s} of {values}{_bounds(schema, 'Properties', ' pairs')}"
            case "integer" | "number" as kind:
                return f"{kind}{s}{_range(schema)}"
            case "null":
                return "null"
            case str(kind):
                return f"{kind}{s}"
        return "anything"

    def _samples(
        self, method: str, path: str, operation: Mapping[str, Any], example: Mapping[str, Any] | None
    ) -> Iterator[Sample]:
        url = f"{self.base_url}{path}"
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                url = url.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        words = ["curl", *([] if method in ("get", "post") else [f"-X {method.upper()}"]), url]
        if example is not None:
            body = json.dumps(example, indent=2, ensure_ascii=False).replace("'", "'\\''")
            words += ["\\\n  -H 'Content-Type: application/json'", f"\\\n  -d '{body}'"]
        elif method == "post":
            words.insert(1, "-X POST")
        yield Sample("curl", " ".join(words))
        for sample in operation.get("x-codeSamples", ()):
            yield Sample(sample["lang"], sample["source"])


def _phrase(status: str) -> str:
    return HTTPStatus(int(status)).phrase if status.isdecimal() else "Refused upstream"


def _range(schema: Schema) -> str:
    """`1 to 128`, `from 0`, `above 0 to 100`; 2³¹ as a bound says nothing to a reader."""
    low, above, high = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    start = f"above {above:g}" if above is not None else f"{low:g}" if low is not None and low > -(2**53) else ""
    if high is not None and high < 2**53:
        return f" ({start} to {high:g})" if start else f" (up to {high:g})"
    if start and above is None:
        return f" (from {start})"
    return f" ({start})" if start else ""


def _bounds(schema: Schema, what: str, unit: str) -> str:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if low and high:
        return f" ({low:,} to {high:,}{unit})"
    if high:
        return f" (up to {high:,}{unit})"
    return " (not empty)" if low else ""


def _may_be_null(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())
