"""JSON at the door: strict decoding, with reasons fit to show, and the one canonical form that fingerprints hash.

What comes out can always be written again: no NaN or infinity, no integer beyond 64 bits, no half of a surrogate pair,
no nesting deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_INT, _SMALLEST_INT = 2**63 - 1, -(2**63)


class NotJsonError(ValueError):
    """Text that is not JSON we can use. The message is a clause without a full stop."""


def decode(text: str) -> Any:
    """Read a JSON document whose objects name no key twice.

    Raises:
        NotJsonError: with what is wrong, and the column where that is known.
    """
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"is not JSON ({error.msg.lower()} at column {error.colno})") from None
    except RecursionError:
        raise NotJsonError(f"is nested deeper than {MAX_DEPTH} levels") from None
    return usable(value)


def usable(value: Any) -> Any:
    """`value`, checked: everything in it can be written as JSON again.

    Raises:
        NotJsonError: it holds something that cannot, such as a date or NaN.
    """
    _check(value, MAX_DEPTH)
    return value


def canonical(value: Any, *, keep_key_order: bool = False) -> str:
    """JSON on one line, in ASCII, the same on every platform: keys sorted, and 2.0 written as 2."""
    return json.dumps(_plain_numbers(value), sort_keys=not keep_key_order, separators=(",", ":"), allow_nan=False)


def whole_characters(text: str) -> str:
    """`text` with every half of a surrogate pair, which no encoding can write, replaced by U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_int(digits: str) -> int | float:
    """A JSON integer: as a float where it does not fit 64 bits."""
    if len(digits) < 19:
        return int(digits)
    number = int(digits) if len(digits) <= 20 else None
    return number if number is not None and _SMALLEST_INT <= number <= _LARGEST_INT else read_float(digits)


def read_float(digits: str) -> float:
    """A JSON number with a fraction or exponent.

    Raises:
        NotJsonError: it is too large for a 64-bit float.
    """
    number = float(digits)
    if not math.isfinite(number):
        raise NotJsonError("holds a number too large for a 64-bit float")
    return number


def refuse_constant(name: str) -> Any:
    """NaN and the infinities are Python's, not JSON's."""
    raise NotJsonError(f"holds {name}, which is not JSON")


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotJsonError(f"names the key {json.dumps(twice)} twice")
    return made


_STRICT = json.JSONDecoder(
    parse_int=read_int,
    parse_float=read_float,
    parse_constant=refuse_constant,
    object_pairs_hook=_refuse_repeated_keys,
)


def _check(value: Any, levels_left: int) -> None:
    if levels_left < 0:
        raise NotJsonError(f"is nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            pass
        case str():
            if not value.isascii() and _SURROGATE.search(value):
                raise NotJsonError("holds half of a surrogate pair, which is no character")
        case int():
            if not _SMALLEST_INT <= value <= _LARGEST_INT:
                raise NotJsonError("holds an integer beyond 64 bits")
        case float():
            if not math.isfinite(value):
                raise NotJsonError(f"holds {value}, which is not JSON")
        case list() | tuple():
            for element in value:
                _check(element, levels_left - 1)
        case dict():
            for key, element in value.items():
                _check(key, levels_left - 1)
                _check(element, levels_left - 1)
        case _:
            raise NotJsonError(f"holds a {type(value).__name__}, which JSON has no form for")


def _plain_numbers(value: Any) -> Any:
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case list() | tuple():
            return [_plain_numbers(element) for element in value]
        case dict():
            return {key: _plain_numbers(element) for key, element in value.items()}
        case _:
            return value
