"""The official client against the endpoints of responses, in process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx2
import openai
import pydantic
import pytest
from scripted import USAGE, Scripted, clock, counted_ids, models_of, says

from seatrial.chat import ChatRequest, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from seatrial.errors import ProviderUnavailable
from seatrial.server.app import Application
from seatrial.server.endpoints.responses import response_routes

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class City(pydantic.BaseModel):
    name: str
    people: int


def client_of(provider: Scripted) -> openai.AsyncOpenAI:
    app = Application(response_routes(models_of(provider), clock=clock, new_id=counted_ids()))
    transport = httpx2.ASGITransport(app)
    return openai.AsyncOpenAI(
        api_key="none",
        base_url="http://seatrial.test/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    )


async def test_create_and_go_on() -> None:
    client = client_of(Scripted(says("Hello there")))
    first = await client.responses.create(model="m", input="Hi")
    assert first.output_text == "Hello there"
    assert first.usage is not None
    assert first.usage.total_tokens == 10
    second = await client.responses.create(model="m", input="And?", previous_response_id=first.id)
    assert (await client.responses.retrieve(second.id)).previous_response_id == first.id
    items = [item async for item in client.responses.input_items.list(second.id, limit=1, order="asc")]
    assert [item.type for item in items] == ["message", "message", "message"]
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as missing:
        await client.responses.retrieve(first.id)
    assert missing.value.type == "invalid_request_error"


async def test_parse() -> None:
    client = client_of(
        Scripted((TextDelta('{"name": "Riga", '), TextDelta('"people": 605802}'), Finished("stop", USAGE)))
    )
    parsed = await client.responses.parse(model="m", input="Riga?", text_format=City)
    assert parsed.output_parsed == City(name="Riga", people=605802)


async def test_streaming_helper() -> None:
    script = (ReasoningDelta("Hm."), TextDelta("Hel"), TextDelta("lo"), Finished("stop", USAGE))
    client = client_of(Scripted(script))
    async with client.responses.stream(model="m", input="Hi") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert deltas == ["Hel", "lo"]
    assert final.output_text == "Hello"
    assert [item.type for item in final.output] == ["reasoning", "message"]


async def test_tool_loop_with_the_streaming_helper() -> None:
    def script(request: ChatRequest) -> Iterable[Any]:
        if request.messages[-1].role == "tool":
            return says(f"It is {request.messages[-1].text}.")
        return (
            ToolCallDelta(0, "call_1", "weather", ""),
            ToolCallDelta(0, arguments='{"city": "Riga"}'),
            Finished("tool_calls", USAGE),
        )

    client = client_of(Scripted(script))
    history: list[Any] = [{"role": "user", "content": "Weather in Riga?"}]
    async with client.responses.stream(model="m", input=history, tools=[WEATHER], store=False) as stream:
        async for _ in stream:
            pass
        first = await stream.get_final_response()
    (call,) = first.output
    assert call.type == "function_call"
    assert call.arguments == '{"city": "Riga"}'
    history += [*first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "raining"}]
    last = await client.responses.create(model="m", input=history, tools=[WEATHER], store=False)
    assert last.output_text == "It is raining."


async def test_background_and_cancel() -> None:
    client = client_of(Scripted((10.0, Finished("stop"))))
    created = await client.responses.create(model="m", input="Hi", background=True)
    assert created.status == "queued"
    assert (await client.responses.cancel(created.id)).status == "cancelled"


async def test_errors() -> None:
    client = client_of(Scripted((ProviderUnavailable("gone"),)))
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="m", input="Hi", extra_body={"top_k": 1})
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "top_k")
    with pytest.raises(openai.InternalServerError) as failed:
        await client.responses.create(model="m", input="Hi", stream=True)
    assert failed.value.status_code == 503


async def test_a_failure_in_mid_stream() -> None:
    client = client_of(Scripted((TextDelta("Hel"), ProviderUnavailable("gone"))))
    events = [event async for event in await client.responses.create(model="m", input="Hi", stream=True)]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
    assert events[-1].response.error.message == "gone"
