"""Reasoning, answer and tool calls told apart, however the text is cut into pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seatrial.chat import ReasoningDelta, TextDelta, ToolCallDelta
from seatrial.models.reply_format import Delta, ReplySplitter

REPLY = (
    "<think>\nFirst < second.\n</think>\n\nI look it up.\n"
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>'
    '<tool_call>{"name": "now", "arguments": "{}"}</tool_call> Done <b>.'
)


def split(
    text: str, cuts: list[int], *, reasons: bool = True, calls_tools: bool = True, opened: bool = False
) -> list[Delta]:
    splitter = ReplySplitter(reasons=reasons, calls_tools=calls_tools, reasoning_open=opened)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    found = [delta for start, end in itertools.pairwise(places) for delta in splitter.push(text[start:end])]
    return found + splitter.finish()


def joined(deltas: list[Delta]) -> tuple[str, str, list[ToolCallDelta]]:
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    reasoning = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    return reasoning, text, [delta for delta in deltas if isinstance(delta, ToolCallDelta)]


@given(st.lists(st.integers(0, 500), max_size=40))
def test_however_it_is_cut(cuts: list[int]) -> None:
    reasoning, text, calls = joined(split(REPLY, cuts))
    assert reasoning == "First < second.\n"
    assert text == "I look it up.\n Done <b>."
    assert calls == [
        ToolCallDelta(0, "call_0", "get_weather", '{"city": "Zürich"}'),
        ToolCallDelta(1, "call_1", "now", "{}"),
    ]


@given(st.text("<think>/abc \n", max_size=40), st.lists(st.integers(0, 60), max_size=10))
def test_a_model_without_these_tags_is_passed_on_unchanged(text: str, cuts: list[int]) -> None:
    assert joined(split(text, cuts, reasons=False, calls_tools=False)) == ("", text, [])


@given(st.text("<think>/abc \n", max_size=40), st.lists(st.integers(0, 60), max_size=10))
def test_cuts_never_change_the_outcome(text: str, cuts: list[int]) -> None:
    assert joined(split(text, cuts)) == joined(split(text, []))


def test_reasoning_that_the_prompt_opened_or_the_limit_cut() -> None:
    assert joined(split("because</think>\nso", [3], opened=True)) == ("because", "so", [])
    assert joined(split("<think>because", [])) == ("because", "", [])
    assert joined(split("no tags", [])) == ("", "no tags", [])


def test_a_tool_call_that_is_not_json_is_text() -> None:
    assert joined(split("<tool_call>nonsense</tool_call>!", [])) == ("", "<tool_call>nonsense</tool_call>!", [])
    assert joined(split('<tool_call>{"name": "x"', [])) == ("", '<tool_call>{"name": "x"', [])
    assert joined(split('<tool_call>["name"]</tool_call>', [])) == ("", '<tool_call>["name"]</tool_call>', [])
