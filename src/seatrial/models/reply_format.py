"""What a model writes, told apart: its answer, its reasoning (`<think>…</think>`), its tool calls.

In: the text of one answer in pieces. Out: chat events. The tags themselves disappear. Torch-free.
"""

from __future__ import annotations

import json
from typing import Literal

from seatrial.chat import ReasoningDelta, TextDelta, ToolCallDelta

_Mode = Literal["text", "reasoning", "tool_call"]
Delta = TextDelta | ReasoningDelta | ToolCallDelta
_OPENING: dict[str, _Mode] = {"<think>": "reasoning", "<tool_call>": "tool_call"}
_CLOSING: dict[_Mode, str] = {"reasoning": "</think>", "tool_call": "</tool_call>"}


class ReplySplitter:
    """Splits one answer. With neither `reasons` nor `calls_tools` everything is text, as it stands.

    `reasoning_open`: the prompt itself ended inside a `<think>`. A tool call that is not the JSON it should be comes
    out as text.
    """

    def __init__(self, *, reasons: bool, calls_tools: bool, reasoning_open: bool = False) -> None:
        self._openings = [tag for tag, on in (("<think>", reasons), ("<tool_call>", calls_tools)) if on]
        self._mode: _Mode = "reasoning" if reasoning_open and reasons else "text"
        self._held = ""
        self._strip = False
        self.num_tool_calls = 0

    @property
    def reasoning(self) -> bool:
        """Whether what comes next belongs to the reasoning, as far as is known."""
        return self._mode == "reasoning"

    def push(self, text: str) -> list[Delta]:
        """Take a piece; return what it made certain."""
        self._held += text
        return self._read(last=False)

    def finish(self) -> list[Delta]:
        """The rest, an unclosed tag's content included."""
        return self._read(last=True)

    def _read(self, *, last: bool) -> list[Delta]:
        found: list[Delta] = []
        while self._held:
            tags = self._openings if self._mode == "text" else [_CLOSING[self._mode]]
            place, tag = min(((at, tag) for tag in tags if (at := self._held.find(tag)) >= 0), default=(-1, ""))
            if place < 0:
                break
            found += self._piece(self._held[:place])
            self._held = self._held[place + len(tag) :]
            self._strip = self._mode != "text" or tag == "<think>"
            self._mode = _OPENING.get(tag, "text")
        if last:
            rest, self._held = self._held, ""
            found += self._piece(rest) if self._mode != "tool_call" else self._unclosed(rest)
        elif self._mode != "tool_call":
            keep = max((_overlap(self._held, tag) for tag in tags), default=0) if self._held else 0
            cut = len(self._held) - keep
            piece, self._held = self._held[:cut], self._held[cut:]
            found += self._piece(piece)
        return found

    def _piece(self, text: str) -> list[Delta]:
        if self._mode == "tool_call":
            return self._tool_call(text)
        if self._strip:
            text = text.lstrip("\n")
            self._strip = not text
        if not text:
            return []
        return [ReasoningDelta(text) if self._mode == "reasoning" else TextDelta(text)]

    def _tool_call(self, text: str) -> list[Delta]:
        try:
            call = json.loads(text)
            name, arguments = call["name"], call.get("arguments", {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return [TextDelta(f"<tool_call>{text}</tool_call>")]
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        index, self.num_tool_calls = self.num_tool_calls, self.num_tool_calls + 1
        return [ToolCallDelta(index, id=f"call_{index}", name=str(name), arguments=written)]

    def _unclosed(self, text: str) -> list[Delta]:
        return [TextDelta(f"<tool_call>{text}")] if text else []


def _overlap(text: str, tag: str) -> int:
    return next((n for n in range(min(len(text), len(tag) - 1), 0, -1) if text.endswith(tag[:n])), 0)
