"""Log-probabilities of a local model: every token of the answer once, with the piece of text that carries it."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from chat_models import TOOL_TOKENS, ask, checkpoint, random_model, scripted_model
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import ChatEvent, ReasoningDelta, Sampling, TextDelta, TokenScore, Tool
from seatrial.engine.model import Model
from seatrial.engine.request import Gain
from seatrial.models.tokenizer import Tokenizer
from seatrial.providers.local import LocalProvider
from seatrial.providers.local_scores import TokenScores


async def events_of(model: Model, **changes: Any) -> list[ChatEvent]:
    local = LocalProvider(model, name="tiny", rng=random.Random(0))
    try:
        return [event async for event in local.stream(ask(**{"max_tokens": 60, "num_logprobs": 0, **changes}))]
    finally:
        await local.close()


def scores_of(events: list[ChatEvent]) -> list[TokenScore]:
    return [score for event in events if isinstance(event, TextDelta) for score in event.scores]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_are_those_of_the_model() -> None:
    events = await events_of(random_model(), num_logprobs=3, sampling=Sampling(temperature=1.0, seed=2))
    scores = scores_of(events)
    assert len(scores) >= 59  # 60 tokens, of which the last may have ended it
    for score in scores:
        assert len(score.top) == 3
        assert [best.logprob for best in score.top] == sorted((best.logprob for best in score.top), reverse=True)
        assert sum(math.exp(best.logprob) for best in score.top) <= 1.0001
        assert score.logprob <= score.top[0].logprob
        assert all(best.text and best.top == () for best in score.top)
    plain = await events_of(random_model(), num_logprobs=None, sampling=Sampling(temperature=1.0, seed=2))
    assert text_of(plain) == text_of(events)
    assert scores_of(plain) == []


async def test_the_bytes_of_all_tokens_are_the_text() -> None:
    events = await events_of(scripted_model("Grüße 😀, he!"))
    scores = scores_of(events)
    assert b"".join(score.bytes for score in scores).decode() == text_of(events) == "Grüße 😀, he!"
    assert [score.bytes for score in scores[-8:-4]] == [bytes([b]) for b in "😀".encode()]
    assert "he" in [score.text for score in scores]
    assert all(score.logprob == pytest.approx(0, abs=1e-3) for score in scores)


async def test_a_character_that_never_became_whole_keeps_its_bytes() -> None:
    model = scripted_model("abc😀")
    events = await events_of(model, max_tokens=5)
    assert text_of(events) == "abc\ufffd"
    assert b"".join(score.bytes for score in scores_of(events)) == "abc😀".encode()[:5]


async def test_reasoning_tags_and_calls_have_none() -> None:
    tools = (Tool("f", "", {}),)
    said = '<think>\nhm\n</think>\n\nYes.\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    for opened in (checkpoint(), checkpoint(more=TOOL_TOKENS)):
        events = await events_of(scripted_model(said, opened), tools=tools, max_tokens=200)
        assert any(isinstance(event, ReasoningDelta) for event in events)
        assert [score.text for score in scores_of(events)] == ["Y", "e", "s", ".", "\n"]


async def test_what_is_no_call_after_all_has_them() -> None:
    for said in ("a <tool_call> b", '<tool_call>{"name": 7}</tool_call>', "a <tool_cal"):
        events = await events_of(scripted_model(said), tools=(Tool("f", "", {}),))
        assert "".join(score.text for score in scores_of(events)) == text_of(events) == said


async def test_a_stop_text_has_none_and_the_stop_token_neither() -> None:
    events = await events_of(scripted_model("one END two"), stop=("END",))
    assert "".join(score.text for score in scores_of(events)) == text_of(events) == "one "
    assert len(scores_of(await events_of(scripted_model("yes")))) == 3


async def test_special_tokens_that_do_not_end_it_have_a_name_and_no_bytes() -> None:
    events = await events_of(scripted_model("yes"), sampling=Sampling(ignore_eos=True), max_tokens=5)
    assert text_of(events) == "yes"
    assert [(score.text, score.bytes) for score in scores_of(events)][3:] == [("<|im_end|>", b"")] * 2


async def test_with_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]}
    events = await events_of(scripted_model("what?"), json_schema=schema)
    assert b"".join(score.bytes for score in scores_of(events)).decode() == text_of(events)


TOKENIZER: Tokenizer = checkpoint().tokenizer


@settings(max_examples=200)
@given(st.lists(st.integers(0, TOKENIZER.num_tokens - 1), max_size=20), st.data())
def test_each_token_comes_once_wherever_the_text_is_cut(ids: list[int], data: st.DataObject) -> None:
    scores, found = TokenScores(TOKENIZER, ()), []
    for token_id in ids:
        scores.add(Gain(0, token_id, "", None, 0, logprob=-1.0))
    whole = TOKENIZER.decode(ids)
    place = 0
    while place < len(whole):
        end = data.draw(st.integers(place + 1, len(whole)))
        found += scores.between(place, end)
        place = end
    found += scores.rest()
    expected = b"".join(TOKENIZER.token_bytes(i) for i in ids)
    assert b"".join(score.bytes for score in found) == expected
    assert len(found) == len(ids)
