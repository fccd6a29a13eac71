"""A response: whole and streamed, what it holds, and what its request does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_client import ResponsesClient, echo, text_of
from scripted import USAGE, CountingScripted, Scripted, says

from seatrial.chat import Finished, ReasoningDelta, Sampling, TextDelta, TokenScore, ToolCallDelta, message
from seatrial.server.errors import Failure
from seatrial.server.wire.limits import WireLimits

ClientOf = Callable[..., ResponsesClient]

THINKS_TALKS_CALLS = (
    ReasoningDelta("Let me "),
    ReasoningDelta("see."),
    TextDelta("I shall "),
    TextDelta("look it up."),
    ToolCallDelta(0, "call_a", "weather", ""),
    ToolCallDelta(0, arguments='{"city":'),
    ToolCallDelta(0, arguments=' "Riga"}'),
    ToolCallDelta(1, "call_b", "time", "{}"),
    Finished("tool_calls", USAGE),
)
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
TIME = {"type": "function", "name": "time", "description": "What time it is", "parameters": None, "strict": None}


async def test_a_plain_answer(responses_client: ClientOf) -> None:
    client = responses_client()
    response = await client.create(input="Hi", metadata={"order": "7"})

    assert response["object"] == "response"
    assert response["status"] == "completed"
    assert response["error"] is None
    assert response["incomplete_details"] is None
    assert response["completed_at"] == response["created_at"] == 1_790_000_000
    assert response["metadata"] == {"order": "7"}
    assert text_of(response) == "Hello there friend"
    assert response["output"][0]["role"] == "assistant"
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 10,
    }
    assert client.provider.requests[0].messages == (message("user", "Hi"),)
    assert client.last_call.tally.usage == USAGE
    assert client.last_call.tally.model == "m"
    assert client.models.num_in_use == 0


async def test_reasoning_text_and_calls_are_items_in_the_order_they_came(responses_client: ClientOf) -> None:
    response = await responses_client(Scripted(THINKS_TALKS_CALLS)).create(input="Weather?", tools=[WEATHER, TIME])

    reasoning, said, first, second = response["output"]
    assert reasoning["type"] == "reasoning"
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert said["content"][0]["text"] == "I shall look it up."
    assert first["type"] == "function_call"
    assert (first["call_id"], first["name"], first["arguments"]) == ("call_a", "weather", '{"city": "Riga"}')
    assert (second["call_id"], second["name"], second["arguments"]) == ("call_b", "time", "{}")
    assert {item["status"] for item in response["output"]} == {"completed"}
    assert len({item["id"] for item in response["output"]}) == 4


async def test_a_stream_has_its_events_in_order(responses_client: ClientOf) -> None:
    events = await responses_client(Scripted(THINKS_TALKS_CALLS)).stream(input="Weather?")

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["output"] == []
    assert all(event["logprobs"] == [] for event in events if event["type"] == "response.output_text.delta")


deltas = st.one_of(
    st.builds(TextDelta, st.text(max_size=5)),
    st.builds(ReasoningDelta, st.text(max_size=5)),
    st.builds(ToolCallDelta, st.just(0), st.none(), st.just("f"), st.text(max_size=5)),
)
ends = st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls", "content_filter"]), st.just(USAGE))


@settings(deadline=None, max_examples=25)
@given(pieces=st.lists(deltas, max_size=8), end=ends)
def test_a_stream_adds_up_to_the_whole_response(responses_client: ClientOf, pieces: list[Any], end: Finished) -> None:
    """Whatever the model says: deltas join to what is done, and that is what the last event and a plain reply hold."""
    calls = [at for at, piece in enumerate(pieces) if isinstance(piece, ToolCallDelta)]
    if calls:  # a call is written without a break
        pieces = [piece for at, piece in enumerate(pieces) if at not in calls[1:]]
    script = (*pieces, end)
    events = asyncio.run(responses_client(Scripted(script)).stream(input="Hi"))
    whole = asyncio.run(responses_client(Scripted(script)).create(input="Hi"))

    assert events[-1]["response"] == whole
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == whole["output"]
    joined: dict[str, str] = {}
    done: dict[str, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            joined[event["item_id"]] = joined.get(event["item_id"], "") + event["delta"]
        elif event["type"].endswith(("text.done", "arguments.done")):
            done[event["item_id"]] = event.get("text", event.get("arguments"))
    assert joined == {item_id: text for item_id, text in done.items() if text}
    assert events[-1]["type"] == f"response.{whole['status']}"


@pytest.mark.parametrize(("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_an_answer_that_was_cut_is_incomplete(responses_client: ClientOf, reason: Any, told: str) -> None:
    client = responses_client(Scripted(says("Hello there", reason=reason)))
    response = await client.create(input="Hi", max_output_tokens=2)

    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": told}
    assert response["completed_at"] is None
    assert response["output"][0]["status"] == "incomplete"
    assert (await client.stream(input="Hi"))[-1]["type"] == "response.incomplete"


async def test_an_answer_of_nothing_is_an_empty_message(responses_client: ClientOf) -> None:
    response = await responses_client(Scripted((ReasoningDelta("Hm."), Finished("stop")))).create(input="Hi")
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert text_of(response) == ""
    assert "usage" not in response


async def test_thought_that_was_cut_is_no_answer(responses_client: ClientOf) -> None:
    response = await responses_client(Scripted((ReasoningDelta("Hm."), Finished("length", USAGE)))).create(input="Hi")
    assert [(item["type"], item["status"]) for item in response["output"]] == [("reasoning", "incomplete")]


async def test_log_probabilities(responses_client: ClientOf) -> None:
    score = TokenScore("Hi", b"Hi", -0.25, (TokenScore("Hi", b"Hi", -0.25), TokenScore("Yo", b"Yo", -2.0)))
    client = responses_client(Scripted((TextDelta("Hi", (score,)), Finished("stop", USAGE))))
    wanted = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    response = await client.create(input="Hi", **wanted)

    expected = {
        "token": "Hi",
        "bytes": [72, 105],
        "logprob": -0.25,
        "top_logprobs": [
            {"token": "Hi", "bytes": [72, 105], "logprob": -0.25},
            {"token": "Yo", "bytes": [89, 111], "logprob": -2.0},
        ],
    }
    assert response["output"][0]["content"][0]["logprobs"] == [expected]
    events = await client.stream(input="Hi", **wanted)
    with_scores = [event["logprobs"] for event in events if "logprobs" in event]
    assert with_scores == [[expected], [expected]]  # the delta, and the whole
    assert [request.num_logprobs for request in client.provider.requests] == [2, 2]


@pytest.mark.parametrize(
    ("body", "num_logprobs"),
    [
        ({}, None),
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"top_logprobs": 3}, 3),
        ({"top_logprobs": 0}, None),
    ],
)
async def test_when_log_probabilities_are_asked_for(
    responses_client: ClientOf, body: Any, num_logprobs: int | None
) -> None:
    client = responses_client()
    await client.create(input="Hi", **body)
    assert client.provider.requests[0].num_logprobs == num_logprobs


async def test_what_was_asked_for_reaches_the_model(responses_client: ClientOf) -> None:
    client = responses_client()
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    await client.create(
        input="Hi",
        instructions="Be brief.",
        max_output_tokens=20,
        temperature=0.5,
        top_p=0.9,
        text={"format": {"type": "json_schema", "name": "thing", "schema": schema, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
        tools=[WEATHER, TIME],
        tool_choice={"type": "function", "name": "time"},
        parallel_tool_calls=False,
    )
    request = client.provider.requests[0]
    assert request.messages == (message("system", "Be brief."), message("user", "Hi"))
    assert request.max_tokens == 20
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9)
    assert request.json_schema == schema
    assert request.reasoning_effort == "low"
    assert [tool.name for tool in request.tools] == ["weather", "time"]
    assert [tool.strict for tool in request.tools] == [True, False]
    assert (request.tool_choice, request.named_tool) == ("required", "time")
    assert request.parallel_tool_calls is False


async def test_what_was_asked_for_is_said_again(responses_client: ClientOf) -> None:
    schema = {"type": "object"}
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "max_output_tokens": 20,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_logprobs": 1,
        "text": {
            "format": {"type": "json_schema", "name": "thing", "schema": schema, "strict": True},
            "verbosity": "low",
        },
        "reasoning": {"effort": "low", "summary": "auto"},
        "tools": [{**WEATHER, "description": None}, TIME],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]},
        "parallel_tool_calls": False,
        "metadata": {"a": "b"},
        "truncation": "auto",
        "user": "u-1",
        "safety_identifier": "s-1",
        "prompt_cache_key": "k-1",
        "max_tool_calls": 3,
        "store": False,
    }
    response = await responses_client().create(input="Hi", service_tier="flex", client_metadata={"a": "b"}, **asked)
    assert {name: response[name] for name in asked} == asked
    assert response["service_tier"] == "default"


async def test_a_top_p_of_zero_is_greedy(responses_client: ClientOf) -> None:
    client = responses_client()
    await client.create(input="Hi", top_p=0, temperature=1.5)
    assert client.provider.requests[0].sampling == Sampling(temperature=0.0)


@pytest.mark.parametrize(
    ("choice", "tools", "tool_choice"),
    [
        (None, ["weather", "time"], "auto"),
        ("auto", ["weather", "time"], "auto"),
        ("none", ["weather", "time"], "none"),
        ("required", ["weather", "time"], "required"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"name": "time"}]}, ["time"], "required"),
    ],
)
async def test_tool_choice(responses_client: ClientOf, choice: Any, tools: list[str], tool_choice: str) -> None:
    client = responses_client()
    await client.create(input="Hi", tools=[WEATHER, TIME], tool_choice=choice)
    request = client.provider.requests[0]
    assert [tool.name for tool in request.tools] == tools
    assert request.tool_choice == tool_choice


async def test_any_json_object(responses_client: ClientOf) -> None:
    client = responses_client()
    response = await client.create(input="Hi", text={"format": {"type": "json_object"}})
    assert client.provider.requests[0].json_object
    assert response["text"] == {"format": {"type": "json_object"}}


async def test_an_alias_is_the_model_of_the_response(responses_client: ClientOf) -> None:
    assert (await responses_client().create(input="Hi", model="gpt-5-mini"))["model"] == "gpt-5-mini"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "input", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": "Hi", "seed": 3}, "seed", "unsupported_parameter"),
        ({"input": "Hi", "conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"input": "Hi", "prompt": {"id": "p"}}, "prompt", "unsupported_parameter"),
        ({"input": "Hi", "personality": "friendly"}, "personality", "unsupported_parameter"),
        ({"input": "Hi", "context_management": [{"type": "c"}]}, "context_management", "unsupported_parameter"),
        ({"input": "Hi", "moderation": {"model": "m"}}, "moderation", "unsupported_parameter"),
        ({"input": "Hi", "max_output_tokens": 0}, "max_output_tokens", "integer_below_min_value"),
        ({"input": "Hi", "temperature": 2.5}, "temperature", "decimal_above_max_value"),
        ({"input": "Hi", "temperature": "hot"}, "temperature", "invalid_type"),
        ({"input": "Hi", "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"input": "Hi", "metadata": {"a": 1}}, "metadata", "invalid_type"),
        ({"input": "Hi", "truncation": "left"}, "truncation", "invalid_value"),
        ({"input": "Hi", "include": ["thoughts"]}, "include[0]", "invalid_value"),
        ({"input": "Hi", "tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_parameter"),
        ({"input": "Hi", "tools": [{"size": 1, "type": "mcp"}]}, "tools[0].type", "unsupported_parameter"),
        ({"input": "Hi", "tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        ({"input": "Hi", "tools": [{"name": "f"}]}, "tools[0].type", "missing_required_parameter"),
        ({"input": "Hi", "tools": [{**TIME, "name": "no spaces"}]}, "tools[0].name", "invalid_value"),
        ({"input": "Hi", "tools": [TIME, TIME]}, "tools[1].name", "invalid_value"),
        (
            {"input": "Hi", "tools": [{**TIME, "defer_loading": True}]},
            "tools[0].defer_loading",
            "unsupported_parameter",
        ),
        ({"input": "Hi", "tool_choice": "required"}, "tool_choice", "invalid_value"),
        (
            {"input": "Hi", "tools": [TIME], "tool_choice": {"type": "function", "name": "x"}},
            "tool_choice",
            "invalid_value",
        ),
        ({"input": "Hi", "tools": [TIME], "tool_choice": {"type": "web_search"}}, "tool_choice.type", "invalid_value"),
        ({"input": "Hi", "text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
        (
            {"input": "Hi", "text": {"format": {"type": "json_schema", "name": "t", "schema": {}, "strict": True}}},
            "text.format.schema",
            "invalid_json_schema",
        ),
        ({"input": "Hi", "reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_value"),
        ({"input": "Hi", "reasoning": {"context": "all_turns"}}, "reasoning.context", "unsupported_parameter"),
        ({"input": "Hi", "reasoning": {"mode": "pro"}}, "reasoning.mode", "unsupported_parameter"),
        ({"input": "Hi", "background": True, "store": False}, "background", "invalid_value"),
    ],
)
async def test_what_is_refused(responses_client: ClientOf, body: Any, param: str, code: str) -> None:
    client = responses_client()
    for streams in (False, True):
        with pytest.raises(Failure) as refused:
            await client.send("POST", "/v1/responses", {"model": "m", "stream": streams, **body})
        assert (refused.value.status, refused.value.param, refused.value.code) == (400, param, code)
        assert param in refused.value.message
    assert client.provider.requests == []


async def test_a_body_without_a_model(responses_client: ClientOf) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client().send("POST", "/v1/responses", {"input": "Hi"})
    assert (refused.value.param, refused.value.code) == ("model", "missing_required_parameter")


async def test_a_model_that_is_not_there(responses_client: ClientOf) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client().create(model="other", input="Hi")
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


async def test_the_operator_bounds_the_answer(responses_client: ClientOf) -> None:
    client = responses_client(limits=WireLimits(max_answer_tokens=50))
    await client.create(input="Hi")
    assert client.provider.requests[0].max_tokens == 50
    with pytest.raises(Failure) as refused:
        await client.create(input="Hi", max_output_tokens=51)
    assert refused.value.param == "max_output_tokens"


async def test_tokens_of_a_prompt(responses_client: ClientOf) -> None:
    client = responses_client(CountingScripted())
    body = {"model": "m", "input": "one two three", "instructions": "Be brief."}
    reply = await client.send("POST", "/v1/responses/input_tokens", body)
    assert json.loads(reply.body) == {"object": "response.input_tokens", "input_tokens": 5}
    assert client.provider.requests == []


async def test_a_model_that_counts_no_tokens(responses_client: ClientOf) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client().send("POST", "/v1/responses/input_tokens", {"model": "m", "input": "one"})
    assert refused.value.status == 400


async def test_truncation_drops_the_oldest_turns(responses_client: ClientOf) -> None:
    provider = CountingScripted(echo, context_length=20)
    client = responses_client(provider)
    turns = [{"role": role, "content": f"{at} words words words"} for at in range(4) for role in ("user", "assistant")]
    asked = [*turns, {"role": "user", "content": "last"}]
    response = await client.create(input=asked, instructions="Be brief.", truncation="auto", max_output_tokens=5)
    texts = [each.text for each in provider.requests[0].messages]
    assert texts == ["Be brief.", "3 words words words", "3 words words words", "last"]
    assert response["truncation"] == "auto"

    with pytest.raises(Failure) as refused:
        await client.create(input=asked, max_output_tokens=5)
    assert (refused.value.param, refused.value.code) == ("input", "context_length_exceeded")


async def test_what_cannot_be_made_to_fit_keeps_its_last_turn(responses_client: ClientOf) -> None:
    provider = CountingScripted(context_length=4)
    with pytest.raises(Failure) as refused:
        await responses_client(provider).create(
            input=[{"role": "user", "content": "a b c d e f"}] * 2, truncation="auto", max_output_tokens=1
        )
    assert refused.value.code == "context_length_exceeded"
