"""One tool call as a model writes it, read while it is being written.

In: the text behind `<tool_call>`, in pieces. Out: `ToolCallDelta`s, the name first, then the arguments in fragments
that together are the JSON the model wrote. A call is committed when its arguments begin: what comes then belongs to
them, JSON or not, up to where they end or the closing tag stands. Until then nothing is lost: a text that turns out to
be no call is given back. Torch-free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from seatrial.chat import ToolCallDelta

OPENING, CLOSING = "<tool_call>", "</tool_call>"

# `{"name": "…", "arguments": ` up to the first character of the arguments. Some models say `parameters`.
_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\\n]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\S)')
_IN_STRING, _IN_STRUCTURE = re.compile(r'["\\\n]'), re.compile(r'["{}\[\]<]')
_SCALAR = re.compile(r'"(?:[^"\\\n]|\\.)*"|[^",}\]\s<]+(?=[,}\]\s<])')


class ToolCallReader:
    """Reads one call, which has `index` among those of its answer.

    After `ended` or `failed` it takes no more; `rest` is what follows the call, or all that it was given.
    """

    def __init__(self, index: int, new_id: Callable[[], str]) -> None:
        self._index, self._new_id = index, new_id
        self._state: Literal["head", "arguments", "scalar", "tail", "object", "behind"] = "head"
        self._json = _Structure(0)
        self.rest = ""
        self.ended = self.failed = False

    def push(self, text: str, *, last: bool = False) -> list[ToolCallDelta]:
        """Take a piece; `last`: no more will come."""
        self.rest += text
        steps = {
            "head": self._read_head,
            "arguments": self._read_arguments,
            "scalar": self._read_scalar,
            "tail": self._read_tail,
            "object": self._read_object,
            "behind": self._read_behind,
        }
        found: list[ToolCallDelta] = []
        state = None
        while state != self._state and not (self.ended or self.failed):
            state = self._state
            found += steps[state](last)
        if last and self._state in ("tail", "behind") and CLOSING.startswith(self.rest.strip()):
            self.rest = ""  # the closing tag was cut
        self.ended = self.ended or (last and not self.failed)
        return found

    def _read_head(self, last: bool) -> list[ToolCallDelta]:
        match = _HEAD.match(self.rest)
        if match:
            self.rest = self.rest[match.end() :]
            self._state = "arguments" if self.rest[0] in "{[" else "scalar"
            return [ToolCallDelta(self._index, self._new_id(), _loaded(match[1]))]
        body, tag, behind = self.rest.partition(CLOSING)
        if not (tag or last):
            self.failed = body.lstrip()[:1] not in ("", "{")
            return []
        whole = self._whole(body)
        self.failed, self.ended = whole is None, whole is not None
        if whole is None:
            return []
        self.rest = behind
        return [whole]

    def _whole(self, body: str) -> ToolCallDelta | None:
        """A call with its parts in another order, or without arguments. None: it is no call."""
        call = _loaded(body)
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            return None
        arguments = call.get("arguments", call.get("parameters"))
        return ToolCallDelta(self._index, self._new_id(), call["name"], _as_object(arguments))

    def _read_arguments(self, last: bool) -> list[ToolCallDelta]:
        fragment = self._take(last, then="tail")
        return [ToolCallDelta(self._index, arguments=fragment)] if fragment else []

    def _read_scalar(self, last: bool) -> list[ToolCallDelta]:
        """Arguments that are not an object: one in a string, as some models write it, or `null` for none."""
        match = _SCALAR.match(self.rest)
        if match is None and not last and CLOSING not in self.rest:
            return []
        written = match[0] if match else self.rest.partition(CLOSING)[0]
        self.rest = self.rest[len(written) :]
        self._state = "tail"
        value = _loaded(written)
        return [ToolCallDelta(self._index, arguments=written if value is _NO_JSON else _as_object(value))]

    def _read_tail(self, last: bool) -> list[ToolCallDelta]:
        """Behind the arguments: the end of the object, with what else the model put into it, or text after all."""
        text = self.rest.lstrip()
        if text[:1] in ("}", ","):
            self._state, self._json = "object", _Structure(1)
        elif text.startswith(CLOSING):
            self._state = "behind"
        else:
            self.ended = not CLOSING.startswith(text)
        return []

    def _read_object(self, last: bool) -> list[ToolCallDelta]:
        self._take(last, then="behind")
        return []

    def _read_behind(self, last: bool) -> list[ToolCallDelta]:
        text = self.rest.lstrip()
        if text.startswith(CLOSING):
            self.rest, self.ended = text[len(CLOSING) :], True
        else:
            self.ended = not CLOSING.startswith(text)
        return []

    def _take(self, last: bool, *, then: Literal["tail", "behind"]) -> str:
        """What certainly belongs to the JSON that is being read."""
        count, ended = self._json.read(self.rest, last)
        taken, self.rest = self.rest[:count], self.rest[count:]
        if ended:
            self._state = then
        return taken


class _Taken(NamedTuple):
    """How many characters belong to the JSON, and whether it ends after them."""

    length: int
    ended: bool


class _Structure:
    """Finds where a JSON object or array ends, from `depth` open brackets on: at its last one, or at a closing tag.

    A closing tag in a string is part of it. A raw line break in one cannot be JSON: from there on the tag alone ends.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._in_string = self._is_escaped = self._is_torn = False

    def read(self, text: str, last: bool) -> _Taken:
        """Read on; what is left over comes again with the next text."""
        at = 0
        while not self._is_torn:
            if self._is_escaped and at < len(text):
                at, self._is_escaped = at + 1, False
            match = (_IN_STRING if self._in_string else _IN_STRUCTURE).search(text, at)
            if match is None:
                return _Taken(len(text), False)
            sign, at = match[0], match.end()
            if self._in_string:
                self._in_string, self._is_escaped, self._is_torn = sign != '"', sign == "\\", sign == "\n"
            elif sign == '"':
                self._in_string = True
            elif sign == "<":
                if text.startswith(CLOSING, at - 1):
                    return _Taken(at - 1, True)
                if not last and CLOSING.startswith(text[at - 1 :]):
                    return _Taken(at - 1, False)
            else:
                self._depth += 1 if sign in "{[" else -1
                if self._depth == 0:
                    return _Taken(at, True)
        place = text.find(CLOSING, at)
        if place >= 0:
            return _Taken(place, True)
        return _Taken(len(text) if last else len(text) - overlap(text[at:], CLOSING), False)


def overlap(text: str, tag: str) -> int:
    """How many last characters of `text` begin `tag` without completing it: 3 for `a </t` and `</tool_call>`."""
    return next((n for n in range(min(len(text), len(tag) - 1), 0, -1) if text.endswith(tag[:n])), 0)


_NO_JSON = object()


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON


def _as_object(arguments: Any) -> str:
    """The JSON of arguments: a text is such already, none is the empty object."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps({} if arguments is None else arguments, ensure_ascii=False)
