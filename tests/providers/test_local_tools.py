"""Tools with a local model: calls told from text, required and strict ones held to, whatever the vocabulary is."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_models import PLAIN_TEMPLATE, TOOL_TOKENS, ask, checkpoint, random_model, scripted_model
from jsonschema import Draft202012Validator

from seatrial.chat import ChatEvent, Finished, Reply, Sampling, TextDelta, Tool, ToolCallDelta, gather
from seatrial.engine.model import Model
from seatrial.errors import RequestRejected
from seatrial.models.checkpoint import Checkpoint
from seatrial.providers.local import LocalProvider, load_local

PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
}
WEATHER = Tool("get_weather", "The weather of a city.", PLACE)
NOW = Tool("now", "The time.", {})
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome", "days": 2}}\n</tool_call>'


@pytest.fixture(params=["the tags are tokens", "the tags are spelled out"])
def opened(request: pytest.FixtureRequest) -> Checkpoint:
    return checkpoint(PLAIN_TEMPLATE, more=TOOL_TOKENS if "are tokens" in request.param else None)


async def events_of(model: Model, **changes: Any) -> list[ChatEvent]:
    local = LocalProvider(model, name="tiny", rng=random.Random(0))
    try:
        return [event async for event in local.stream(ask(**{"max_tokens": 400, "tools": (WEATHER, NOW), **changes}))]
    finally:
        await local.close()


async def reply_of(model: Model, **changes: Any) -> Reply:
    async def again() -> Any:
        for event in events:
            yield event

    events = await events_of(model, **changes)
    return await gather(again())


def reason(reply: Reply) -> str:
    assert reply.finished is not None
    return reply.finished.reason


def checked_calls(reply: Reply) -> list[str]:
    """The names of calls, whose arguments are held against the schema."""
    for call in reply.tool_calls.values():
        if call.name == "get_weather":
            Draft202012Validator(PLACE).validate(json.loads(call.arguments))
        assert re.fullmatch(r"call_[A-Za-z0-9]{24}", call.id)
    return [call.name for call in reply.tool_calls.values()]


async def test_a_call_streams_its_name_and_then_its_arguments(opened: Checkpoint) -> None:
    events = await events_of(scripted_model("I look. " + CALL, opened))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    pieces = [event for event in events if isinstance(event, ToolCallDelta)]
    assert text == "I look. "
    assert (pieces[0].name, pieces[0].arguments) == ("get_weather", "")
    assert re.fullmatch(r"call_[A-Za-z0-9]{24}", pieces[0].id or "")
    assert len(pieces) > 1
    assert not any(piece.id or piece.name for piece in pieces[1:])
    assert "".join(piece.arguments for piece in pieces) == '{"city": "Rome", "days": 2}'
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "tool_calls"


async def test_several_calls_and_one_where_one_is_asked_for(opened: Checkpoint) -> None:
    twice = f"{CALL}\n{CALL}"
    both = await reply_of(scripted_model(twice, opened))
    assert checked_calls(both) == ["get_weather"] * 2
    assert len({call.id for call in both.tool_calls.values()}) == 2
    one = await reply_of(scripted_model(twice, opened), parallel_tool_calls=False)
    assert (checked_calls(one), reason(one)) == (["get_weather"], "tool_calls")


async def test_tools_that_are_not_offered_are_not_looked_for(opened: Checkpoint) -> None:
    reply = await reply_of(scripted_model(CALL, opened), tool_choice="none")
    assert (reply.text, reply.tool_calls, reason(reply)) == (CALL, {}, "stop")


async def test_a_call_that_the_limit_cut(opened: Checkpoint) -> None:
    local = LocalProvider(scripted_model(CALL, opened), name="tiny")
    short = len(opened.tokenizer.encode(CALL[: CALL.index("Rome") + 2]))
    reply = await gather(local.stream(ask(max_tokens=short, tools=(WEATHER,))))
    assert [call.arguments for call in reply.tool_calls.values()] == ['{"city": "Ro']
    assert reason(reply) == "length"
    await local.close()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
@pytest.mark.parametrize("speculate", [False, True])
async def test_required_calls_come_whatever_the_model_is(opened: Checkpoint, seed: int, speculate: bool) -> None:
    reply = await reply_of(
        random_model(opened, speculate=speculate),
        tool_choice="required",
        parallel_tool_calls=seed % 2 == 0,
        sampling=Sampling(temperature=0.7, seed=seed),
        max_tokens=600,
    )
    names = checked_calls(reply) if reason(reply) == "tool_calls" else ["get_weather"]
    assert reply.text == ""
    assert names
    assert set(names) <= {"get_weather", "now"}
    assert len(names) == 1 or seed % 2 == 0


async def test_a_model_that_would_rather_talk_calls_where_it_must(opened: Checkpoint) -> None:
    chatty = "What a lovely day it is, is it not?"
    required = await reply_of(scripted_model(chatty, opened), tool_choice="required", parallel_tool_calls=False)
    assert len(required.tool_calls) == 1
    assert required.text == ""
    named = await reply_of(scripted_model(CALL, opened), named_tool="now")
    assert [(call.name, json.loads(call.arguments)) for call in named.tool_calls.values()] == [("now", {})]


async def test_strict_tools_leave_text_free_and_hold_calls(opened: Checkpoint) -> None:
    strict = Tool(WEATHER.name, WEATHER.description, PLACE, strict=True)
    for said in ("Just text, with a <b> and a <tool.", f"So: {CALL}\nand {CALL} there."):
        free = await reply_of(scripted_model(said, opened), tools=(strict,))
        assert free.text == said.replace(CALL + "\n", "").replace(CALL, "")
        assert len(free.tool_calls) == said.count(CALL)
    wrong = CALL.replace("2", '"two"')
    held = await reply_of(scripted_model(wrong, opened), tools=(strict,), max_tokens=300)
    if reason(held) == "tool_calls":
        assert checked_calls(held)[0] == "get_weather"
    assert '"two"' not in next(iter(held.tool_calls.values())).arguments
    loose = await reply_of(scripted_model(wrong, opened))
    assert next(iter(loose.tool_calls.values())).arguments == '{"city": "Rome", "days": "two"}'


async def test_json_and_tools_together(opened: Checkpoint) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}}, "required": ["a"]}
    answer = await reply_of(scripted_model('{"a": 7}', opened), json_schema=schema)
    assert (json.loads(answer.text), answer.tool_calls) == ({"a": 7}, {})
    called = await reply_of(scripted_model(CALL, opened), json_schema=schema)
    assert (called.text, checked_calls(called)) == ("", ["get_weather"])


UNKNOWN = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"named_tool": "absent"}, "`tool_choice` names `absent`"),
        ({"tools": (), "tool_choice": "required"}, "`tool_choice` is `required` and there are no `tools`"),
        (
            {"tools": (Tool("f", "", UNKNOWN, strict=True),)},
            "parameters of the tool `f` cannot be held to.*uniqueItems",
        ),
        ({"tools": (Tool("f", "", {"type": 7}, strict=True),)}, "parameters of the tool `f`"),
    ],
)
async def test_what_cannot_be_held_to_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(RequestRejected, match=why):
        await reply_of(scripted_model("x"), **changes)


async def test_a_schema_that_cannot_be_followed_is_any_object_where_it_is_not_strict() -> None:
    said = '<tool_call>\n{"name": "f", "arguments": {"b": [1, 1]}}\n</tool_call>'
    reply = await reply_of(scripted_model(said), tools=(Tool("f", "", UNKNOWN),), tool_choice="required")
    assert [call.arguments for call in reply.tool_calls.values()] == ['{"b": [1, 1]}']


async def test_the_real_model_calls_what_it_must(smollm2_gguf: Path) -> None:
    local = load_local(smollm2_gguf, name="smollm2-135m", context_length=1024)
    request = ask("What is the weather in Paris for 3 days?", tools=(WEATHER, NOW), max_tokens=120)
    named = await gather(local.stream(replace(request, named_tool="get_weather")))
    required = await gather(local.stream(replace(request, tool_choice="required", parallel_tool_calls=False)))
    await local.close()
    assert checked_calls(named) == ["get_weather"]
    assert json.loads(named.tool_calls[0].arguments)["city"] == "Paris"
    assert len(checked_calls(required)) == 1
    assert reason(required) == reason(named) == "tool_calls"
