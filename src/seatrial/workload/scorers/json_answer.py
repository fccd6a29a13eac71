"""Finding the JSON in an answer: alone, in a fence, or in the midst of prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from seatrial.workload.json_text import NotJsonError, read_float, read_int, refuse_constant, usable, whole_characters

_FENCE = re.compile(r"```[ \t]*[\w-]{0,20}[ \t]*\r?\n(.*?)```", re.DOTALL)
_MOST_STARTS = 500
_DECODER = json.JSONDecoder(parse_int=read_int, parse_float=read_float, parse_constant=refuse_constant)
_BRACKET_OR_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|[\[\]{}]", re.DOTALL)


class FoundJson(NamedTuple):
    """A JSON value and where it stood: `alone`, `fenced` or `in prose`. Never null: that is no answer."""

    value: Any
    where: str


def find_json(text: str, *, objects_only: bool) -> FoundJson | None:
    """The JSON of an answer: the whole of it, else the last fence that holds JSON, else the last value in the text.

    In prose only objects and arrays count, and nothing inside a broken one does. Numbers that no JSON writer could
    write again make a value unusable; halves of surrogate pairs become U+FFFD.
    """
    whole = _decode(text.strip(), objects_only)
    if whole is not None:
        return FoundJson(whole, "alone")
    fences = [_decode(match[1].strip(), objects_only) for match in _FENCE.finditer(text)]
    for value in reversed(fences):
        if value is not None:
            return FoundJson(value, "fenced")
    last = None
    for value in _in_prose(text, "{" if objects_only else "{["):
        last = value
    return FoundJson(last, "in prose") if last is not None else None


def _decode(text: str, objects_only: bool) -> Any:
    try:
        value = usable(_whole(_DECODER.decode(text)))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) or not objects_only else None


def _in_prose(text: str, openers: str) -> Iterator[Any]:
    opener = re.compile("[" + re.escape(openers) + "]")
    place = 0
    for _ in range(_MOST_STARTS):
        start = opener.search(text, place)
        if start is None:
            return
        try:
            value, place = _DECODER.raw_decode(text, start.start())
            yield usable(_whole(value))
        except (NotJsonError, json.JSONDecodeError, RecursionError):
            closing = _closing(text, start.start())
            if closing is None:
                return
            place = closing


def _closing(text: str, start: int) -> int | None:
    """Where the bracket at `start` is closed, strings skipped; None where it never is."""
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text, start):
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            if depth == 0:
                return match.end()
    return None


def _whole(value: Any) -> Any:
    match value:
        case str():
            return whole_characters(value)
        case list():
            return [_whole(element) for element in value]
        case dict():
            return {_whole(key): _whole(element) for key, element in value.items()}
        case _:
            return value
