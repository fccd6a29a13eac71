"""msgspec types to JSON schemas (2020-12), as OpenAPI 3.1 holds them.

In: the types of request bodies and of replies. Out: one component for each struct, and a schema for each type that
refers to them. What a type says of limits and unknown fields is in its schema; `fields` adds words, `adjustments` what
types cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from seatrial.server.openapi.adjustments import ADJUSTED, REFUSING
from seatrial.server.openapi.fields import meaning

Schema = dict[str, Any]

_PREFIX = "#/components/schemas/"


class Schemas(NamedTuple):
    """`of` has each type's schema, by its place in what was asked; `components` what they refer to, by name."""

    of: tuple[Schema, ...]
    components: dict[str, Schema]


def body_schemas(types: Sequence[Any]) -> Schemas:
    """Schemas of what is read. A field that may be null may also be left out, and means the same."""
    schemas = _derived(types)
    for name, component in schemas.components.items():
        component.update(ADJUSTED.get(name, {}))
        for field, schema in component.get("properties", {}).items():
            schema.pop("default", None)
            if name in REFUSING and not schema:
                schema.update(type="null", description="Not supported here: leave it out.")
            schema.update(ADJUSTED.get(f"{name}.{field}", {}))
            _describe(schema, meaning(name, field))
    return schemas


def reply_schemas(types: Sequence[Any]) -> Schemas:
    """Schemas of what is written. Every field is there but those that are left out where nothing is known of them."""
    schemas = _derived(types)
    for name, component in schemas.components.items():
        properties = component.get("properties")
        if properties is None:
            continue
        required = set(component.get("required", ()))
        for field, schema in properties.items():
            if "default" in schema:
                del schema["default"]
                required.add(field)
            _describe(schema, meaning(name, field, is_reply=True))
        component["required"] = [field for field in properties if field in required]
        component["additionalProperties"] = False
    return schemas


def merged(*parts: Mapping[str, Schema]) -> dict[str, Schema]:
    """Components of several makings together. Raises ValueError where two differ under one name."""
    together: dict[str, Schema] = {}
    for part in parts:
        for name, component in part.items():
            if together.setdefault(name, component) != component:
                raise ValueError(f"two components are named {name}")
    return dict(sorted(together.items()))


def references(schema: Any) -> Iterator[str]:
    """The names of the components that a schema refers to, in order, some of them more than once."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(_PREFIX)
        for name, part in schema.items():
            if name != "discriminator":
                yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def _derived(types: Sequence[Any]) -> Schemas:
    of, components = msgspec.json.schema_components(types, ref_template=_PREFIX + "{name}")
    names = {name: _short(name) for name in components}
    return _renamed(Schemas(of, components), names)


def _short(name: str) -> str:
    """Structs that share a name come with their module's, of which the last part is enough: `LogprobsTopScore`."""
    *path, own = name.split(".")
    return "".join(word.capitalize() for word in path[-1].split("_")) + own if path else own


def _renamed(schemas: Schemas, names: Mapping[str, str]) -> Schemas:
    def fixed(schema: Any) -> Any:
        if isinstance(schema, dict):
            return {key: fixed(part) for key, part in schema.items() if key != "title" or not isinstance(part, str)}
        if isinstance(schema, list):
            return [fixed(part) for part in schema]
        if isinstance(schema, str) and schema.startswith(_PREFIX):
            return _PREFIX + names[schema.removeprefix(_PREFIX)]
        return schema

    of = tuple(fixed(schema) for schema in schemas.of)
    return Schemas(of, {names[name]: fixed(component) for name, component in schemas.components.items()})


def _describe(schema: Schema, words: str) -> None:
    if words and "description" not in schema:
        schema["description"] = words
