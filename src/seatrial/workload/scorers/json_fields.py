"""The `json_fields` scorer: does the answer hold the expected values, field by field?

Settings declare the fields in order. `parsed` is the JSON object found in the answer (None: there was none),
`parts` has a score for each declared field, and the value is their mean or, with `average = "micro"`, the F1 over
everything there was to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.errors import nearest_names
from seatrial.workload.json_text import NotJsonError, decode
from seatrial.workload.scorers.field_values import FIELD_TYPES, Match, check_value, compare
from seatrial.workload.scorers.json_answer import find_json
from seatrial.workload.scorers.settings import Setting, boolean, choice, not_negative, show
from seatrial.workload.specification import Score

_FIELD_KEYS = ("type", "optional", "tolerance", "fields")


def json_fields(settings: Mapping[str, Any], expected: Mapping[str, Any], text: str) -> Score:
    """The mean score of the fields, or their micro F1."""
    fields = settings["fields"]
    found = find_json(text, objects_only=True)
    if found is None:
        return Score(0.0, None, "has no JSON object" if text.strip() else "empty answer", dict.fromkeys(fields, 0.0))
    matches = {name: compare(spec, expected.get(name), found.value.get(name)) for name, spec in fields.items()}
    parts = {name: match.f1 for name, match in matches.items()}
    value = sum(parts.values()) / len(parts) if settings["average"] == "mean" else _sum(matches.values()).f1
    wrong = [name for name, part in parts.items() if part < 1.0]
    return Score(min(value, 1.0), found.value, f"wrong: {', '.join(wrong)}" if wrong else "all fields right", parts)


def check_expected(settings: Mapping[str, Any], expected: Any) -> dict[str, Any]:
    """An object of declared fields, read from its JSON text where it is one.

    Raises:
        ValueError: it is no object, has an undeclared field (offers the nearest), or a value of the wrong type.
    """
    if isinstance(expected, str):
        try:
            expected = decode(expected)
        except NotJsonError as error:
            raise ValueError(f"{error}; the scorer wants an object") from None
    if not isinstance(expected, dict):
        raise ValueError(f"must be an object, is {show(expected)}")
    _check_object(settings["fields"], expected, "")
    return expected


def in_declared_order(fields: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """An expected object with all its fields, in declared order; absent ones are null, or an empty list."""
    ordered: dict[str, Any] = {}
    for name, spec in fields.items():
        one = value.get(name)
        if spec["type"] == "objects":
            ordered[name] = [in_declared_order(spec["fields"], element) for element in one or []]
        else:
            ordered[name] = one if one is not None or spec["type"] != "strings" else []
    return ordered


def answer_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of an answer with these fields: all required, optional ones may be null, nothing else allowed."""
    return {
        "type": "object",
        "properties": {name: _field_schema(spec) for name, spec in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }


def read_fields(value: Any, *, within: str = "") -> dict[str, dict[str, Any]]:
    """The declared fields: `name = "type"` or `name = { type, optional, tolerance, fields }`.

    Raises:
        ValueError: an unknown type or key, or `fields` where there can be none.
    """
    if not isinstance(value, dict) or not value:
        raise ValueError(f"must be a table of at least one field, is {show(value)}")
    return {name: _read_field(f"{within}{name}", given) for name, given in value.items()}


JSON_FIELDS_SETTINGS = {
    "fields": Setting(read_fields, required=True),
    "average": Setting(choice("mean", "micro"), "mean"),
}


def _sum(matches: Any) -> Match:
    expected, answered, right = (sum(column) for column in zip(*matches, strict=True))
    return Match(expected, answered, right)


def _check_object(fields: Mapping[str, Any], value: Mapping[str, Any], within: str) -> None:
    for name in value:
        if name not in fields:
            near = nearest_names(name, fields)
            offer = f". Did you mean `{near[0]}`?" if near else f"; declared are {', '.join(fields)}"
            raise ValueError(f"has `{within}{name}`, which is not among the scorer's fields{offer}")
    for name, spec in fields.items():
        try:
            check_value(spec, value.get(name))
        except ValueError as error:
            raise ValueError(f"`{within}{name}` {error}") from None
        if spec["type"] == "objects":
            for place, element in enumerate(value.get(name) or []):
                _check_object(spec["fields"], element, f"{within}{name}[{place}].")


def _read_field(name: str, given: Any) -> dict[str, Any]:
    given = {"type": given} if isinstance(given, str) else given
    if not isinstance(given, dict):
        raise ValueError(f"`{name}` must be a type or a table with one, is {show(given)}")
    for key in given:
        if key not in _FIELD_KEYS:
            near = nearest_names(key, _FIELD_KEYS)
            raise ValueError(f"`{name}` has no setting `{key}`" + (f". Did you mean `{near[0]}`?" if near else ""))
    kind = given.get("type")
    if kind not in FIELD_TYPES:
        near = nearest_names(str(kind), FIELD_TYPES)
        offer = f"did you mean `{near[0]}`?" if near else f"types are {', '.join(FIELD_TYPES)}"
        raise ValueError(f"`{name}` has the type {show(kind)}; {offer}")
    if ("fields" in given) != (kind == "objects"):
        raise ValueError(f"`{name}`: a field of type `objects`, and no other, declares `fields`")
    if "tolerance" in given and kind not in ("number", "integer"):
        raise ValueError(f"`{name}`: only a number has a `tolerance`")
    try:
        spec = {"type": kind, "optional": boolean(given.get("optional", False))}
        if kind in ("number", "integer"):
            spec["tolerance"] = not_negative(given.get("tolerance", 1e-6))
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None
    if kind == "objects":
        spec["fields"] = read_fields(given["fields"], within=f"{name}.")
    return spec


def _field_schema(spec: Mapping[str, Any]) -> dict[str, Any]:
    match spec["type"]:
        case "strings":
            return {"type": "array", "items": {"type": "string"}}
        case "objects":
            return {"type": "array", "items": answer_schema(spec["fields"])}
        case "date":
            schema: dict[str, Any] = {"type": "string", "format": "date"}
        case kind:
            schema = {"type": kind}
    if spec["optional"]:
        schema["type"] = [schema["type"], "null"]
    return schema
