"""Replies of the OpenAI wire format: texts with the log-probabilities of their tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.chat import ChatEvent, ReasoningDelta, TextDelta, TokenScore, ToolCallDelta
from seatrial.errors import BadReply
from seatrial.providers.openai_reply import decode_chunk, events_of


def events(choice: dict[str, Any], num_logprobs: int | None = 2) -> list[ChatEvent]:
    return events_of(
        decode_chunk(json.dumps({"choices": [{"index": 0, **choice}]}).encode()), num_logprobs=num_logprobs
    )


def scored(token: str, logprob: float, **more: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), **more}


def test_a_piece_of_a_chat_comes_with_its_scores() -> None:
    best = [scored("you", -0.5), scored("there", -1.5)]
    content = [scored("hi ", -0.25, top_logprobs=[]), scored("there", -1.5, top_logprobs=best)]
    assert events({"delta": {"content": "hi there"}, "logprobs": {"content": content, "refusal": None}}) == [
        TextDelta(
            "hi there",
            (
                TokenScore("hi ", b"hi ", -0.25),
                TokenScore(
                    "there", b"there", -1.5, (TokenScore("you", b"you", -0.5), TokenScore("there", b"there", -1.5))
                ),
            ),
        )
    ]


def test_a_text_completion_has_lists_side_by_side() -> None:
    logprobs = {
        "tokens": ["a", "bytes:\\xe2\\x82"],
        "token_logprobs": [-0.5, -2.0],
        "top_logprobs": [{"b": -1.0, "a": -0.5, "c": -3.0}, None],
        "text_offset": [0, 1],
    }
    assert events({"text": "a", "logprobs": logprobs}) == [
        TextDelta(
            "a",
            (
                TokenScore("a", b"a", -0.5, (TokenScore("a", b"a", -0.5), TokenScore("b", b"b", -1.0))),
                TokenScore("bytes:\\xe2\\x82", b"\xe2\x82", -2.0),
            ),
        )
    ]


def test_a_text_completion_in_the_form_of_a_chat() -> None:
    assert events({"text": "é", "logprobs": {"content": [{"token": "é", "logprob": -1}]}}, 0) == [
        TextDelta("é", (TokenScore("é", "é".encode(), -1.0),))
    ]


def test_no_more_of_the_best_than_were_asked_for() -> None:
    top = [scored("a", -3.0), scored("b", -1.0), scored("c", -2.0)]
    for num in (0, 1, 2):
        found = events({"delta": {"content": "a"}, "logprobs": {"content": [scored("a", -3.0, top_logprobs=top)]}}, num)
        assert isinstance(found[0], TextDelta)
        assert [one.text for one in found[0].scores[0].top] == ["b", "c"][:num]


def test_a_token_whose_character_goes_on_in_the_next_piece() -> None:
    half = {"token": "\ufffd", "logprob": -1.0, "bytes": [0xF0, 0x9F]}
    assert events({"delta": {"content": ""}, "logprobs": {"content": [half]}}) == [
        TextDelta("", (TokenScore("\ufffd", b"\xf0\x9f", -1.0),))
    ]


def test_scores_of_reasoning_and_tool_calls_are_not_the_answers() -> None:
    logprobs = {"content": [scored("x", -1.0)]}
    call = {"index": 0, "function": {"name": "f", "arguments": "x"}}
    assert events({"delta": {"reasoning_content": "x"}, "logprobs": logprobs}) == [ReasoningDelta("x")]
    assert events({"delta": {"tool_calls": [call]}, "logprobs": logprobs}) == [ToolCallDelta(0, None, "f", "x")]


def test_what_nobody_asked_for_is_not_looked_at() -> None:
    assert events({"delta": {"content": "x"}, "logprobs": "nonsense"}, None) == [TextDelta("x")]
    assert events({"text": "x", "logprobs": {"tokens": 7}}, None) == [TextDelta("x")]


@pytest.mark.parametrize(
    "logprobs",
    [
        "nonsense",
        {"content": [{"token": "a"}]},
        {"content": [{"token": "a", "logprob": None}]},
        {"content": [scored("a", -1.0) | {"bytes": [300]}]},
        {"tokens": ["a", "b"], "token_logprobs": [-1.0]},
        {"tokens": ["a"], "token_logprobs": [None]},
        {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [None, None]},
    ],
)
def test_scores_of_another_shape_are_a_bad_reply(logprobs: Any) -> None:
    with pytest.raises(BadReply, match="log-probabilities"):
        events({"delta": {"content": "a"}, "logprobs": logprobs})
