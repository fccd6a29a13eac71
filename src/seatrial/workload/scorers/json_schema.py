"""The `json_schema` scorer: is the answer JSON of the given schema?

`parsed` is the JSON value where it is valid, else None. References are resolved inside the schema alone, nothing is
fetched, and the schema's patterns run under the same deadline as those of the `regex` scorer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seatrial.workload.json_text import NotJsonError, canonical, decode, usable
from seatrial.workload.scorers.json_answer import find_json
from seatrial.workload.scorers.pattern import PatternTooSlowError, read_pattern, search
from seatrial.workload.scorers.settings import Setting, show
from seatrial.workload.specification import Score

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


class SchemaUnusableError(Exception):
    """The schema itself stops a validation: a reference to nowhere, or one that leads back to itself."""


def json_schema(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """1 where the answer's JSON is valid under the schema."""
    found = find_json(text, objects_only=False)
    if found is None:
        return Score(0.0, None, "has no JSON" if text.strip() else "empty answer")
    try:
        fault = first_fault(settings["schema"], found.value)
    except PatternTooSlowError:
        fault = "a pattern of the schema took too long on it"
    except SchemaUnusableError as error:
        fault = str(error)
    return Score(1.0, found.value, "valid") if fault is None else Score(0.0, None, f"invalid: {fault}")


def first_fault(schema: Mapping[str, Any], value: Any) -> str | None:
    """Where and how a value breaks the schema, the worst fault first; None where it is valid.

    Raises:
        SchemaUnusableError: the schema cannot be followed to its end.
        PatternTooSlowError: one of its patterns was given up.
    """
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        fault = best_match(_validator(canonical(schema, keep_key_order=True)).iter_errors(value))
    except Unresolvable as error:
        raise SchemaUnusableError(f"the schema refers to {show(error.ref)}, which is not in it") from None
    except RecursionError:
        raise SchemaUnusableError("the schema leads back to itself without end") from None
    return None if fault is None else f"{fault.json_path}: {fault.message[:120]}"


def check_settings(settings: Mapping[str, Any]) -> None:
    """A schema that can be followed.

    Raises:
        ValueError: it refers to nowhere, or to itself without end.
    """
    probes: tuple[Any, ...] = ({}, [], "", 0, None)
    for probe in probes:
        try:
            first_fault(settings["schema"], probe)
        except SchemaUnusableError as error:
            raise ValueError(str(error)) from None


def check_expected(settings: Mapping[str, Any], expected: Any) -> Any:
    """Nothing, or a value that is valid (read from its JSON text where that is one).

    Raises:
        ValueError: it breaks the schema.
    """
    if expected is None:
        return None
    if isinstance(expected, str):
        with suppress(NotJsonError):  # a schema may ask for a text: then it stands for itself
            expected = decode(expected)
    try:
        fault = first_fault(settings["schema"], expected)
    except (SchemaUnusableError, PatternTooSlowError) as error:
        raise ValueError(f"could not be held against the schema: {error}") from None
    if fault is not None:
        raise ValueError(f"breaks the schema at {fault}")
    return expected


def _read_schema(value: Any) -> dict[str, Any]:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    if not isinstance(value, dict) or not value:
        raise ValueError(f"must be a table that holds a JSON schema, is {show(value)}")
    try:
        usable(value)
        validator_for(value, default=Draft202012Validator).check_schema(value)
    except NotJsonError as error:
        raise ValueError(str(error)) from None
    except SchemaError as error:
        raise ValueError(f"is not a JSON schema: {error.json_path}: {error.message[:120]}") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    for pattern in _patterns(value):
        read_pattern(pattern)
    return value


JSON_SCHEMA_SETTINGS = {"schema": Setting(_read_schema, required=True)}


def _patterns(schema: Any) -> Iterator[str]:
    """Every pattern in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        if isinstance(schema.get("patternProperties"), dict):
            yield from schema["patternProperties"]
        for value in schema.values():
            yield from _patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value)


@lru_cache(maxsize=32)
def _validator(schema_text: str) -> Validator:
    from jsonschema.validators import Draft202012Validator, extend, validator_for
    from referencing.jsonschema import EMPTY_REGISTRY

    schema = decode(schema_text)
    kind = validator_for(schema, default=Draft202012Validator)
    guards = {"pattern": _check_pattern, "patternProperties": _check_pattern_properties}
    guarded: type[Validator] = extend(kind, guards)  # type: ignore[no-untyped-call]
    return guarded(schema, registry=EMPTY_REGISTRY)


def _check_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and search(pattern, instance) is None:
        yield ValidationError(f"{show(instance)} does not match {show(pattern)}")


def _check_pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if search(pattern, name) is not None:
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)
