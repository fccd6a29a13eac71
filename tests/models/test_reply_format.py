"""Reasoning, answer and tool calls told apart, however the text is cut into pieces."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import ReasoningDelta, TextDelta, TokenScore, ToolCall, ToolCallDelta
from seatrial.models.reply_format import Delta, ReplySplitter

REPLY = (
    "<think>\nFirst < second.\n</think>\n\nI look it up.\n"
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich \\"</tool_call>"}}\n</tool_call>\n'
    '<tool_call>{"name": "now", "arguments": "{}"}</tool_call> Done <b>.'
)
CUTS = st.lists(st.integers(0, 500), max_size=40)


def split(
    text: str, cuts: list[int], *, reasons: bool = True, calls_tools: bool = True, opened: bool = False
) -> list[Delta]:
    ids = map("call_{}".format, itertools.count())
    splitter = ReplySplitter(
        reasons=reasons, calls_tools=calls_tools, reasoning_open=opened, new_call_id=lambda: next(ids)
    )
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    found = [delta for start, end in itertools.pairwise(places) for delta in splitter.push(text[start:end])]
    return found + splitter.finish()


def joined(deltas: list[Delta]) -> tuple[str, str, list[ToolCall]]:
    """Reasoning, text and calls; checks that id and name come once, with the first piece of each call."""
    calls: list[ToolCall] = []
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            assert (delta.index == len(calls)) == (delta.name is not None) == (delta.id is not None)
            if delta.name is not None:
                calls.append(ToolCall(delta.id or "", delta.name, ""))
            last = calls[-1]
            calls[-1] = ToolCall(last.id, last.name, last.arguments + delta.arguments)
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    return "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta)), text, calls


def call(body: str, cuts: list[int] | None = None) -> tuple[str, list[tuple[str, str]]]:
    """The text and the calls of one `<tool_call>` with this body, and no closing tag unless it has one."""
    _, text, calls = joined(split("<tool_call>" + body, cuts or []))
    return text, [(each.name, each.arguments) for each in calls]


@given(CUTS)
def test_however_it_is_cut(cuts: list[int]) -> None:
    assert joined(split(REPLY, cuts)) == (
        "First < second.\n",
        "I look it up.\n Done <b>.",
        [
            ToolCall("call_0", "get_weather", '{"city": "Zürich \\"</tool_call>"}'),
            ToolCall("call_1", "now", "{}"),
        ],
    )


@given(st.text("<think>/abc \n", max_size=40), st.lists(st.integers(0, 60), max_size=10))
def test_a_model_without_these_tags_is_passed_on_unchanged(text: str, cuts: list[int]) -> None:
    assert joined(split(text, cuts, reasons=False, calls_tools=False)) == ("", text, [])


PIECES = [*"<think>/abc \n", "<think>", "</think>", "<tool_call>", "</tool_call>", '{"name": "f", "arguments": ']
PIECES += ['{"a": "', '"}}', "}", '{"arguments": {}, "name": "g"}', '"', "\\", "null", "[{]", ", "]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join), CUTS)
def test_cuts_never_change_the_outcome(text: str, cuts: list[int]) -> None:
    assert joined(split(text, cuts)) == joined(split(text, []))


def test_reasoning_that_the_prompt_opened_or_the_limit_cut() -> None:
    assert joined(split("because</think>\nso", [3], opened=True)) == ("because", "so", [])
    assert joined(split("<think>because", [])) == ("because", "", [])
    assert joined(split("no tags", [])) == ("", "no tags", [])


def test_reasoning_stands_at_the_head_alone() -> None:
    assert joined(split("\n <think>a</think>b", [])) == ("a", "b", [])
    for text in ("The tag <think> opens it.", "<think", " \n"):
        assert joined(split(text, [])) == ("", text, [])
    assert joined(split("<think>a</think><think>b", [])) == ("a", "<think>b", [])


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.integers() | st.text('"\\{}[]<>/tool_c\n\tü', max_size=12),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"{', max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    ),
    st.sampled_from([None, 2]),
    st.booleans(),
    CUTS,
)
def test_arguments_come_exactly_as_written(
    arguments: dict[str, object], indent: int | None, ascii_only: bool, cuts: list[int]
) -> None:
    written = json.dumps(arguments, indent=indent, ensure_ascii=ascii_only)
    text, calls = call(f'\n{{"name": "f\\"é", "arguments": {written}}}\n</tool_call>\n!', cuts)
    assert calls == [('f"é', written)]
    assert text == "!"


def test_arguments_are_streamed_while_they_are_written() -> None:
    reply = '<tool_call>\n{"name": "f", "arguments": {"a": "<b> </"}}\n</tool_call>'
    deltas = split(reply, list(range(len(reply))))
    assert deltas[0] == ToolCallDelta(0, "call_0", "f")
    assert len(deltas) == 1 + len('{"a": "<b> </"}')
    assert all(isinstance(delta, ToolCallDelta) and len(delta.arguments) == 1 for delta in deltas[1:])


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ('{"arguments": {"a": 1}, "name": "f"}</tool_call>', '{"a": 1}'),
        ('{"name": "f"}</tool_call>', "{}"),
        ('{"name": "f"}', "{}"),  # the tag never came
        ('{"name": "f", "parameters": {"a": 1}}</tool_call>', '{"a": 1}'),
        ('{"name": "f", "arguments": null}</tool_call>', "{}"),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', '{"a": 1}'),
        ('{"name": "f", "arguments": {"a": 1}, "id": {"x": "}"}}</tool_call>', '{"a": 1}'),
        ('{"name": "f", "arguments": {"a": 1}</tool_call>', '{"a": 1}'),  # a bracket is missing
        ('{"name": "f", "arguments": {"a": 1</tool_call>', '{"a": 1'),  # not JSON: as it was written
        ('{"name": "f", "arguments": {"a": "it\n"s}}</tool_call>', '{"a": "it\n"s}}'),
        ('{"name": "f", "arguments": {"a": "cut', '{"a": "cut'),
        ('{"name": "f", "arguments": {"a": [</to', '{"a": [</to'),
        ('{"name": "f", "arguments": nonsense</tool_call>', "nonsense"),
        ('{"name": "f", "arguments": "cut', '"cut'),
    ],
)
def test_calls_that_are_not_quite_in_the_form(body: str, arguments: str) -> None:
    assert call(body) == ("", [("f", arguments)])
    assert call(body, list(range(1, 200))) == ("", [("f", arguments)])


def test_text_behind_a_call_that_was_never_closed_is_not_lost() -> None:
    assert call('{"name": "f", "arguments": {}}\nSo be it.') == ("So be it.", [("f", "{}")])
    assert call('{"name": "f", "arguments": {} So be it.') == (" So be it.", [("f", "{}")])
    both = '{"name": "f", "arguments": {}}\n<tool_call>{"name": "g", "arguments": {}}</tool_call>'
    assert call(both) == ("", [("f", "{}"), ("g", "{}")])


@pytest.mark.parametrize("tag", ["</tool_call>"[:length] for length in range(12)])
def test_a_closing_tag_that_the_limit_cut_is_no_text(tag: str) -> None:
    for cuts in ([], list(range(1, 200))):
        assert call('{"name": "f", "arguments": {}}\n' + tag, cuts) == ("", [("f", "{}")])


@pytest.mark.parametrize("cuts", [[], list(range(1, 200))])
def test_a_tool_call_that_is_not_json_is_text(cuts: list[int]) -> None:
    for body in ("nonsense</tool_call>!", '{"name": "x"', '["name"]</tool_call>', "", '{"name": 7}</tool_call>'):
        assert call(body, cuts) == ("<tool_call>" + body, [])
    inner = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    assert call(f"I call {inner}", cuts) == ("<tool_call>I call ", [("f", "{}")])


def test_what_cannot_become_a_call_is_told_at_once() -> None:
    splitter = ReplySplitter(reasons=False, calls_tools=True, new_call_id=str)
    assert splitter.push("Write <tool_call>") == [TextDelta("Write ")]
    assert splitter.push(" around it") == [TextDelta("<tool_call>"), TextDelta(" around it")]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), CUTS)
def test_places_of_text_are_those_in_the_whole(text: str, cuts: list[int]) -> None:
    def place(start: int, end: int) -> tuple[TokenScore, ...]:
        return (TokenScore(text[start:end], b"", 0.0),)

    splitter = ReplySplitter(reasons=True, calls_tools=True, new_call_id=str, scores_between=place)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    deltas = [d for start, end in itertools.pairwise(places) for d in splitter.push(text[start:end])]
    for delta in deltas + splitter.finish():
        if isinstance(delta, TextDelta):
            assert delta.scores[0].text == delta.text
