"""What a constraint asks for, checked and written as a grammar for llguidance. Torch-free.

In: a `Constraint`. Out: the grammar's text, or a UsageError with the reason. The checks here take a few milliseconds
at most, whatever comes in; what is left to llguidance is to refuse keywords, formats and regexes it does not know.

JSON comes compact, or with what models write by themselves: between two parts at most one space, or one line break
with indentation. Unbounded white space, which JSON would allow, is where small models get stuck. For the same reason
an object that names its `properties` and leaves `additionalProperties` out gets no others; what comes is valid either
way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher

from seatrial.engine.request import Constraint
from seatrial.errors import UsageError

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

MOST_CHARACTERS = 65_536
MOST_REGEX_CHARACTERS = 8_192
MOST_CHOICES = 4_096
MOST_DEPTH = 64
MOST_PROPERTIES = 1_024
MOST_PROPERTIES_OF_ONE = 256

NAMES = {
    "json_schema": "JSON schema",
    "json": "JSON object",
    "regex": "regex",
    "choice": "list of choices",
    "tools": "list of tools",
}

# All are set, because a schema may bring its own under `x-guidance`, and these go before.
_OPTIONS: JsonCompileOptions = {
    "item_separator": ",",
    "key_separator": ":",
    "whitespace_pattern": r" |\n {0,32}|\n\t{0,8}",
    "whitespace_flexible": True,
    "coerce_one_of": False,
    "lenient": False,
}

# Where a schema holds subschemas: one, a list of them (or, in older drafts, one), or one for each name.
_ONE = ("additionalProperties", "additionalItems", "contains", "else", "if", "not", "propertyNames", "then")
_LISTS = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")

# With these, closing an object here could rule out what another part of the schema asks for.
_COMPOSING = {"allOf", "oneOf", "not", "if", "unevaluatedProperties"}
_COMPOSING_BESIDE_PROPERTIES = {"$ref", "anyOf", "patternProperties"}


def grammar_of(constraint: Constraint) -> str:
    """The grammar of the texts that fit; that of `tools` is made by `tool_grammar`.

    Raises UsageError where the constraint is malformed or too large.
    """
    kind, value = constraint.kind, constraint.value
    most = MOST_REGEX_CHARACTERS if kind == "regex" else MOST_CHARACTERS
    if len(value) > most:
        raise UsageError(f"The {NAMES[kind]} has {len(value):,} characters; {most:,} are taken. Shorten it.")
    if kind == "regex":
        if not _is_text(value):
            raise UsageError("The regex holds half of a surrogate pair, which is no character.")
        return LLMatcher.grammar_from_regex(value)
    if kind == "choice":
        return LLMatcher.grammar_from_regex("|".join(_literal(choice) for choice in _choices(value)))
    return grammar_of_schema({"type": "object"} if kind == "json" else _parsed(value, NAMES[kind]))


def grammar_of_schema(schema: Any) -> str:
    """The grammar of a JSON schema, which is changed: it is the caller's own copy. Raises as `grammar_of`."""
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise UsageError(f"The JSON schema is {json.dumps(schema)[:40]}; it must be an object (or true: any JSON).")
    subschemas = list(_subschemas_of(schema))
    if not any(_composes(each) for each in subschemas):
        for each in subschemas:
            _close(each)
    for each in subschemas:
        _refuse_what_would_be_missed(each)
    try:
        text = json.dumps(schema, allow_nan=False)
    except ValueError as error:
        raise UsageError("The JSON schema holds a number too large for a 64-bit float.") from error
    except RecursionError as error:
        raise UsageError(f"The JSON schema is nested too deep; {MOST_DEPTH} levels are taken.") from error
    try:
        return LLMatcher.grammar_from_json_schema(text, overrides=_OPTIONS)
    except ValueError as error:
        raise UsageError(f"The JSON schema cannot be read: {error}.") from error


def _choices(value: str) -> list[str]:
    choices = _parsed(value, NAMES["choice"])
    if not isinstance(choices, list) or not choices:
        raise UsageError("The list of choices must be a JSON list with at least one text.")
    if len(choices) > MOST_CHOICES:
        raise UsageError(f"The list of choices has {len(choices):,} entries; {MOST_CHOICES:,} are taken.")
    for choice in choices:
        if not (isinstance(choice, str) and choice and _is_text(choice)):
            raise UsageError(f"The list of choices holds {choice!r:.40}; each must be a text of one character or more.")
    return choices


def _literal(text: str) -> str:
    """A regex for exactly this text: letters and digits as they are, the rest by code point (a space: \\x{20})."""
    return "".join(sign if sign.isascii() and sign.isalnum() else f"\\x{{{ord(sign):X}}}" for sign in text)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _parsed(value: str, name: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        return json.loads(value, parse_constant=refuse)
    except RecursionError as error:
        raise UsageError(f"The {name} is nested too deep; {MOST_DEPTH} levels are taken.") from error
    except ValueError as error:
        raise UsageError(f"The {name} is not valid JSON: {error}.") from error


def _subschemas_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Every subschema that is an object, itself included. Raises UsageError where it is too deep or names too much."""
    num_properties, waiting = 0, [(schema, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise UsageError(f"The JSON schema is nested too deep; {MOST_DEPTH} levels are taken.")
        if not isinstance(value, dict):
            continue
        properties = value.get("properties")
        count = len(properties) if isinstance(properties, dict) else 0
        num_properties += count
        if count > MOST_PROPERTIES_OF_ONE or num_properties > MOST_PROPERTIES:
            raise UsageError(
                f"The JSON schema names too many properties; {MOST_PROPERTIES_OF_ONE:,} in one object and "
                f"{MOST_PROPERTIES:,} in all are taken."
            )
        yield value
        waiting.extend((each, depth + 1) for each in _directly_in(value))


def _directly_in(schema: dict[str, Any]) -> Iterator[Any]:
    """What stands where a schema can stand. Example: of {"items": {}, "const": {"items": 1}}, the first {} alone."""
    yield from (schema[name] for name in _ONE if name in schema)
    for name in _LISTS:
        held = schema.get(name)
        yield from held if isinstance(held, list) else [held]
    for name in _BY_NAME:
        held = schema.get(name)
        yield from held.values() if isinstance(held, dict) else ()


def _composes(schema: dict[str, Any]) -> bool:
    if not _COMPOSING.isdisjoint(schema):
        return True
    return "properties" in schema and not _COMPOSING_BESIDE_PROPERTIES.isdisjoint(schema)


def _close(schema: dict[str, Any]) -> None:
    """Rule out properties without a name, unless the schema asks for such."""
    properties, required, least = schema.get("properties"), schema.get("required", []), schema.get("minProperties", 0)
    if not (isinstance(properties, dict) and isinstance(required, list) and isinstance(least, int)):
        return
    if properties and least <= len(properties) and all(name in properties for name in required):
        schema.setdefault("additionalProperties", False)


def _refuse_what_would_be_missed(schema: dict[str, Any]) -> None:
    """Two things that llguidance takes and does not keep to."""
    for name in ("exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(schema.get(name), bool):
            raise UsageError(f"`{name}` is true or false, as in JSON Schema draft 4; it must be the bound itself.")
    least = schema.get("minProperties")
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    if isinstance(least, int | float) and least > 1 and not closed:
        raise UsageError(
            f"`minProperties` is {least} where names are free, and a name may come twice. Name the `properties` and "
            "make them `required`."
        )
