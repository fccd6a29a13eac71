"""Tool calls as the official client makes loops of them, of the real model."""

from __future__ import annotations

import json
from typing import Any

import openai
import pydantic

MODEL = "smollm2-135m"
ASK: Any = [{"role": "user", "content": "What is the weather in Riga?"}]


class Weather(pydantic.BaseModel):
    """Get the weather of a city."""

    city: str = pydantic.Field(max_length=20)
    unit: str = pydantic.Field(pattern="^(celsius|kelvin)$")


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Get the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
TIME: Any = {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}
ONE_CALL: Any = {"tools": [WEATHER, TIME], "parallel_tool_calls": False, "max_tokens": 100, "temperature": 0}
NAMED: Any = {"type": "function", "function": {"name": "weather"}}


def test_a_loop(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model=MODEL, messages=ASK, tool_choice=NAMED, **ONE_CALL)
    (choice,) = first.choices
    # As OpenAI has it: a named choice ends with `stop`, a required one with `tool_calls`.
    assert choice.finish_reason in ("stop", "tool_calls")
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "weather"
    arguments = json.loads(call.function.arguments)
    assert set(arguments) == {"city", "unit"}
    history = [*ASK, choice.message, {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 7}'}]
    last = client.chat.completions.create(
        model=MODEL, messages=history, tool_choice="none", **ONE_CALL | {"max_tokens": 8}
    )
    assert last.choices[0].message.content
    assert last.choices[0].message.tool_calls is None


def test_a_required_call(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=ASK, tool_choice="required", **ONE_CALL)
    (choice,) = reply.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    assert choice.message.content is None


def test_a_streamed_call_in_fragments(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=ASK, tool_choice="required", stream=True, **ONE_CALL
    ) as stream:
        deltas = [call for chunk in stream for choice in chunk.choices for call in choice.delta.tool_calls or []]
    first, *others = deltas
    assert first.index == 0
    assert first.id is not None
    assert first.type == "function"
    assert first.function is not None
    assert first.function.name in ("weather", "time")
    assert all(call.index == 0 for call in others)
    assert all(call.id is None and call.type is None for call in others)
    assert all(call.function is not None and call.function.name is None for call in others)
    json.loads("".join(call.function.arguments or "" for call in deltas if call.function is not None))


async def test_the_streaming_helper_parses_arguments(async_client: openai.AsyncOpenAI) -> None:
    tool = openai.pydantic_function_tool(Weather, name="weather")
    async with async_client.chat.completions.stream(
        model=MODEL, messages=ASK, tool_choice=NAMED, **ONE_CALL | {"tools": [tool]}
    ) as stream:
        done = [event async for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = await stream.get_final_completion()
    (event,) = done
    assert isinstance(event.parsed_arguments, Weather)
    (call,) = final.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments == event.parsed_arguments


def test_a_call_in_a_response_and_its_result(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "strict": True, **WEATHER["function"]}
    asked: Any = {"model": MODEL, "tools": [tool], "parallel_tool_calls": False, "temperature": 0}
    first = client.responses.create(
        input="What is the weather in Riga?", tool_choice="required", max_output_tokens=100, **asked
    )
    (call,) = first.output
    assert call.type == "function_call"
    assert call.name == "weather"
    assert set(json.loads(call.arguments)) == {"city", "unit"}
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees"}]
    last = client.responses.create(
        input=result, previous_response_id=first.id, tool_choice="none", max_output_tokens=16, **asked
    )
    assert last.output_text
