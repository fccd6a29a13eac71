"""Bytes of a request body to a typed value, or a 400 that says which field is wrong and why.

In: JSON and the msgspec type it must have. Out: the value. The decoder itself checks types, ranges and unknown fields;
only where it refuses is the body read a second time, to name the value.
"""

from __future__ import annotations

import json
import re
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

from seatrial.server.errors import Failure, bad_request

Value = TypeVar("Value")

_MISSING = re.compile(r"^Object missing required field `(.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_WRONG_TYPE = re.compile(r"^Expected `([^`]+)`(?:, got `([^`]+)`)?$")
_OUT_OF_RANGE = re.compile(r"^Expected `(\w+)` (.*)$", re.DOTALL)
_PLACE = re.compile(r"^(.*) - at (`key` in )?`\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")

_TYPES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOUNDS = ((">= ", "at least"), ("<= ", "at most"), ("> ", "above"), ("< ", "below"))
_LONGEST_SHOWN = 100
MAX_DEPTH = 100


class BodyDecoder(Generic[Value]):
    """Decodes bodies of one type. `shape` is a msgspec Struct, or a union of them; unknown fields are refused."""

    def __init__(self, shape: type[Value]) -> None:
        self._shape = shape
        self._decode = msgspec.json.Decoder(shape).decode

    def decode(self, body: bytes) -> Value:
        """Raises Failure 400 naming the field: `invalid_type`, `invalid_value`, `missing_required_parameter`, ….

        A key that stands twice in one object is refused as well: which of the two was meant, nobody can know.
        """
        try:
            value = self._decode(body)
        except msgspec.ValidationError as error:
            raise _failure(str(error), body, self._shape) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error, body) from None
        _check_unique_keys(body)
        return value


def check_depth(value: Any, param: str) -> None:
    """Raises Failure where free-form JSON, such as a schema, is nested deeper than its readers can follow."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise bad_request(
                f"'{param}' is nested more than {MAX_DEPTH} levels deep. Make it flatter.",
                param=param,
                code="invalid_value",
            )
        inner: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                inner.extend(node.values())
            elif isinstance(node, list):
                inner.extend(node)
        level, depth = inner, depth + 1


class _Duplicate(Exception):
    """A key stands twice in one object."""


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Duplicate(next(key for key in keys if keys.count(key) > 1))


_unique_keys_decode = json.JSONDecoder(object_pairs_hook=_refuse_duplicates).decode


def _check_unique_keys(body: bytes) -> None:
    try:
        _unique_keys_decode(body.decode())
    except _Duplicate as error:
        name = _shown(str(error))
        raise bad_request(
            f"The JSON has '{name}' twice in one object. Send it once.", param=name, code="duplicate_parameter"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _malformed(error, body) from None


def _malformed(error: Exception, body: bytes) -> Failure:
    if isinstance(error, RecursionError):
        why = "it is nested too deeply"
    elif isinstance(error, UnicodeDecodeError) or not _is_utf8(body):
        why = "it is not valid UTF-8"
    elif not body.strip():
        why = "it is empty; send a JSON object"
    elif b"\x00" in body:
        why = "it holds a NUL byte"
    elif _has_lone_surrogate(body):
        why = "it holds half of a surrogate pair"
    else:
        detail = str(error).removeprefix("JSON is malformed: ").rstrip(".")
        why = f"it is not valid JSON: {detail[:1].lower()}{detail[1:]}"
    return bad_request(f"The request's body could not be read: {why}.", code="invalid_json")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_lone_surrogate(body: bytes) -> bool:
    """Whether surrogates are what keeps this text from being JSON."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _failure(message: str, body: bytes, shape: Any) -> Failure:
    """What the decoder's message means to a client."""
    place = _PLACE.match(message)
    what, is_key, path = (place[1], bool(place[2]), place[3]) if place else (message, False, "")
    path = path.removeprefix(".")
    unknown = _UNKNOWN.match(what)
    if unknown is None and (unknown := _UNKNOWN.match(message)):  # a name that itself looks like a place
        path = ""
    if unknown:
        name = _joined(path.replace("[...]", ""), unknown[1])
        return bad_request(
            f"Unsupported parameter: '{name}'. This server does not know it; leave it out.",
            param=name,
            code="unsupported_parameter",
        )
    if missing := _MISSING.match(what):
        name = _joined(path.replace("[...]", ""), missing[1])
        return bad_request(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    return _wrong_value(what, path, is_key, body, shape)


def _joined(path: str, name: str) -> str:
    return f"{path}.{_shown(name)}" if path else _shown(name)


def _wrong_value(what: str, path: str, is_key: bool, body: bytes, shape: Any) -> Failure:
    in_object = path.endswith("[...]")
    path = path.replace("[...]", "")
    param = path or None
    named = f"'{path}'" if path else "the request's body"
    if is_key or in_object:
        named = f"a {'key' if is_key else 'value'} of {named}"
    if wrong := _WRONG_TYPE.match(what):
        got = f", not {_TYPES.get(wrong[2], wrong[2])}" if wrong[2] else ""
        message = f"Invalid type: {named} must be {_type_names(wrong[1])}{got}."
        return bad_request(message, param=param, code="invalid_type")
    raw, steps = _raw(body), _STEP.findall("." + path if path else "")
    value = "" if is_key or in_object else _shown_at(raw, steps)
    if what.startswith(("Invalid enum value", "Invalid value")):
        names = [name or int(index) for name, index in steps]
        choices = [f"'{choice}'" for choice in dict.fromkeys(_choices(inspect.type_info(shape), names, raw))]
        must = f" It must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}." if choices else ""
        return bad_request(f"Invalid value: {named} is {value}.{must}", param=param, code="invalid_value")
    if bounds := _OUT_OF_RANGE.match(what):
        return _out_of_range(named, param, value, bounds[1], bounds[2])
    return bad_request(f"Invalid value: {named}: {what}.", param=param, code="invalid_value")


def _out_of_range(named: str, param: str | None, value: str, type_name: str, bound: str) -> Failure:
    """`bound` is such as `>= 1`, `of length <= 4`, `matching regex '…'`."""
    is_value = f" is {value}; it" if value and type_name not in ("array", "object") else ""
    if bound.startswith("matching regex "):
        message = f"Invalid value: {named}{is_value} must match {bound.removeprefix('matching regex ')}."
        return bad_request(message, param=param, code="invalid_value")
    of_length = bound.startswith("of length ")
    bound = bound.removeprefix("of length ")
    sign, words = next((pair for pair in _BOUNDS if bound.startswith(pair[0])), ("", ""))
    limit = bound.removeprefix(sign).removesuffix(".0")
    kind = {"int": "integer", "float": "decimal", "str": "string"}.get(type_name, type_name)
    code = f"{kind}_{'below_min' if sign.startswith('>') else 'above_max'}_{'length' if of_length else 'value'}"
    must = f"must be {words} {limit}"
    if of_length:
        unit = {"str": "character", "array": "item", "object": "pair"}.get(type_name, "item")
        must = f"must have {words} {limit} {unit}{'' if limit == '1' else 's'}"
    return bad_request(f"Invalid value: {named}{is_value} {must}.", param=param, code=code)


def _type_names(union: str) -> str:
    names = [_TYPES.get(name, name) for name in union.split(" | ")]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _raw(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _shown_at(raw: Any, steps: list[tuple[str, str]]) -> str:
    """The value at the end of a path, as JSON cut short; empty where there is none."""
    try:
        for name, index in steps:
            raw = raw[name] if name else raw[int(index)]
        return _shown(json.dumps(raw))
    except (LookupError, TypeError, RecursionError):
        return ""


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _choices(node: inspect.Type, steps: list[str | int], raw: Any) -> list[str]:
    """The texts that are allowed at a place in a type: of a literal, or the tags of a union of structs.

    `raw` is the value as it came; of several structs its tag says which one was meant.
    """
    while isinstance(node, inspect.Metadata):
        node = node.type
    match node:
        case inspect.UnionType():
            parts = [part for part in node.types if _is_tagged(part, raw)] or list(node.types)
            return [choice for part in parts for choice in _choices(part, steps, raw)]
        case inspect.ListType() if steps and isinstance(raw, list):
            return _choices(node.item_type, steps[1:], raw[steps[0]])  # type: ignore[index]
        case inspect.DictType():
            return _choices(node.value_type, steps, None)
        case inspect.LiteralType() if not steps:
            return [str(value) for value in node.values]
        case inspect.StructType() if steps == [node.tag_field]:
            return [str(node.tag)]
        case inspect.StructType() if steps:
            field = next((field for field in node.fields if field.encode_name == steps[0]), None)
            inner = raw.get(steps[0]) if isinstance(raw, dict) else None
            return _choices(field.type, steps[1:], inner) if field else []
    return []


def _is_tagged(node: inspect.Type, raw: Any) -> bool:
    return (
        isinstance(node, inspect.StructType)
        and isinstance(raw, dict)
        and node.tag is not None
        and raw.get(node.tag_field) == node.tag
    )
