"""What a model writes, told apart: its answer, its reasoning (`<think>…</think>`), its tool calls.

In: the text of one answer in pieces. Out: chat events, each as soon as it is certain. The tags themselves disappear.
Reasoning stands at the head of an answer or nowhere: a `<think>` behind other text is part of it. Torch-free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from seatrial.chat import ReasoningDelta, TextDelta, TokenScore, ToolCallDelta
from seatrial.models.tool_call_text import OPENING as CALL_OPENING
from seatrial.models.tool_call_text import ToolCallReader, overlap

Delta = TextDelta | ReasoningDelta | ToolCallDelta
ScoresBetween = Callable[[int, int], tuple[TokenScore, ...]]

_THINK, _THINK_END = "<think>", "</think>"


class ReplySplitter:
    """Splits one answer. With neither `reasons` nor `calls_tools` everything is text, as it stands.

    `reasoning_open`: the prompt itself ended inside a `<think>`. `new_call_id` names tool calls; what is not the JSON
    it should be comes out as text, see `tool_call_text`. `scores_between` gives the scores of the tokens that a text
    delta carries, by where it begins and ends in the whole text, in characters.
    """

    def __init__(
        self,
        *,
        reasons: bool,
        calls_tools: bool,
        new_call_id: Callable[[], str],
        reasoning_open: bool = False,
        scores_between: ScoresBetween | None = None,
    ) -> None:
        self._calls_tools, self._new_call_id, self._scores_between = calls_tools, new_call_id, scores_between
        self._mode: Literal["head", "reasoning", "text", "call"] = "head" if reasons else "text"
        if reasons and reasoning_open:
            self._mode = "reasoning"
        self._held, self._at = "", 0  # what is not told yet, and where in the whole text it begins
        self._strips = reasoning_open
        self._call: ToolCallReader | None = None
        self.num_tool_calls = 0
        self.num_calls_ended = 0

    @property
    def is_text(self) -> bool:
        """Whether what comes next is part of the answer's text, as far as is known."""
        return self._mode in ("head", "text")

    def push(self, text: str) -> list[Delta]:
        """Take a piece; return what it made certain."""
        if self._mode == "text" and not self._calls_tools and not self._strips:
            return self._text(text) if text else []
        self._held += text
        return self._read(last=False)

    def finish(self) -> list[Delta]:
        """The rest, an unclosed tag's content included."""
        return self._read(last=True)

    def _read(self, *, last: bool) -> list[Delta]:
        steps = {
            "head": self._read_head,
            "reasoning": self._read_reasoning,
            "text": self._read_text,
            "call": self._read_call,
        }
        found: list[Delta] = []
        goes_on = True
        while goes_on:
            goes_on = steps[self._mode](found, last)
        return found

    def _read_head(self, found: list[Delta], last: bool) -> bool:
        text = self._held.lstrip()
        if text.startswith(_THINK):
            self._drop(len(self._held) - len(text) + len(_THINK))
            self._mode, self._strips = "reasoning", True
            return True
        if not last and _THINK.startswith(text):
            return False
        self._mode = "text"
        return True

    def _read_reasoning(self, found: list[Delta], last: bool) -> bool:
        self._strip()
        place = self._held.find(_THINK_END)
        certain = place if place >= 0 else len(self._held) - (0 if last else overlap(self._held, _THINK_END))
        if certain:
            found.append(ReasoningDelta(self._held[:certain]))
            self._drop(certain)
        if place < 0:
            return False
        self._drop(len(_THINK_END))
        self._mode, self._strips = "text", True
        return True

    def _read_text(self, found: list[Delta], last: bool) -> bool:
        self._strip()
        place = self._held.find(CALL_OPENING) if self._calls_tools else -1
        keep = overlap(self._held, CALL_OPENING) if self._calls_tools and not last else 0
        certain = place if place >= 0 else len(self._held) - keep
        if certain:
            found += self._text(self._held[:certain])
            self._held = self._held[certain:]
        if place < 0:
            return False
        self._drop(len(CALL_OPENING))
        self._mode = "call"
        self._call = ToolCallReader(self.num_tool_calls, self._new_call_id)
        return True

    def _read_call(self, found: list[Delta], last: bool) -> bool:
        call = self._call
        assert call is not None
        deltas = call.push(self._held, last=last)
        self._drop(len(self._held))
        self.num_tool_calls += sum(delta.name is not None for delta in deltas)
        found += deltas
        if not (call.ended or call.failed):
            return False
        self._held, self._at = call.rest, self._at - len(call.rest)
        self._mode, self._strips = "text", call.ended
        if call.failed:
            self._at -= len(CALL_OPENING)
            found += self._text(CALL_OPENING)
        self.num_calls_ended += call.ended
        return True

    def _text(self, text: str) -> list[Delta]:
        start = self._at
        self._at += len(text)
        return [TextDelta(text, self._scores_between(start, self._at) if self._scores_between else ())]

    def _drop(self, count: int) -> None:
        self._held = self._held[count:]
        self._at += count

    def _strip(self) -> None:
        """After a tag, line breaks are part of it."""
        if self._strips:
            text = self._held.lstrip("\n")
            self._drop(len(self._held) - len(text))
            self._strips = not text
