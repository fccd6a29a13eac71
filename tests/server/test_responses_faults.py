"""A response that goes wrong, a client that leaves, and a stream that must not wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from responses_client import ResponsesClient, text_of
from scripted import USAGE, Scripted, bytes_of

from seatrial.chat import Finished, TextDelta, ToolCallDelta
from seatrial.errors import ContextTooLong, ProviderUnavailable, RateLimited, RequestRejected
from seatrial.server.errors import Failure
from seatrial.server.http import Streamed

ClientOf = Callable[..., ResponsesClient]


@pytest.mark.parametrize(
    "error", [RateLimited("slow", retry_after_s=3), ProviderUnavailable("gone"), RequestRejected("no")]
)
async def test_an_error_before_the_first_event_is_an_error_reply(responses_client: ClientOf, error: Exception) -> None:
    client = responses_client(Scripted((error,)))
    with pytest.raises(type(error)):
        await client.create(input="Hi")
    with pytest.raises(type(error)):
        await client.stream(input="Hi")
    assert client.models.num_in_use == 0


async def test_too_long_a_prompt_names_the_input(responses_client: ClientOf) -> None:
    with pytest.raises(Failure) as refused:
        await responses_client(Scripted((ContextTooLong("too long"),))).create(input="Hi")
    assert (refused.value.param, refused.value.code) == ("input", "context_length_exceeded")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RateLimited("slow"), "rate_limit_exceeded"),
        (ProviderUnavailable("gone"), "server_error"),
        (RequestRejected("no"), "invalid_prompt"),
        (ZeroDivisionError("secret"), "server_error"),
    ],
)
async def test_an_error_in_mid_stream_ends_it_with_a_failed_response(
    responses_client: ClientOf, error: Exception, code: str
) -> None:
    client = responses_client(Scripted((TextDelta("Hel"), error)))
    events = await client.stream(input="Hi")

    last = events[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == code
    assert "secret" not in last["response"]["error"]["message"]
    assert text_of(last["response"]) == "Hel"
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert client.models.num_in_use == 0
    assert (await client.retrieve(last["response"]["id"])) == last["response"]


async def test_a_model_that_goes_back_to_a_call_fails(responses_client: ClientOf) -> None:
    script = (ToolCallDelta(0, "a", "f", "{"), ToolCallDelta(1, "b", "g", "{}"), ToolCallDelta(0, arguments="}"))
    events = await responses_client(Scripted((*script, Finished("tool_calls")))).stream(input="Hi")
    assert events[-1]["type"] == "response.failed"
    assert "went back to tool call 0" in events[-1]["response"]["error"]["message"]


async def test_each_piece_is_written_as_it_comes(responses_client: ClientOf) -> None:
    go_on = asyncio.Event()
    client = responses_client(Scripted((TextDelta("Hel"), go_on, TextDelta("lo"), Finished("stop", USAGE))))
    reply = await client.send("POST", "/v1/responses", {"model": "m", "input": "Hi", "stream": True})
    assert isinstance(reply, Streamed)
    first = await asyncio.wait_for(anext(reply.pieces), 1)
    assert b'"delta":"Hel"' in first
    go_on.set()
    assert b'"delta":"lo"' in await asyncio.wait_for(anext(reply.pieces), 1)
    await reply.pieces.aclose()


async def test_a_client_that_leaves_stops_the_work(responses_client: ClientOf) -> None:
    provider = Scripted((TextDelta("Hel"), asyncio.Event(), Finished("stop")))
    client = responses_client(provider)
    reply = await client.send("POST", "/v1/responses", {"model": "m", "input": "Hi", "stream": True})
    assert isinstance(reply, Streamed)
    await anext(reply.pieces)
    await reply.pieces.aclose()
    assert (provider.num_open, provider.num_cut) == (0, 1)

    asking = asyncio.create_task(client.create(input="Hi"))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.wait([asking])
    assert (provider.num_open, provider.num_cut) == (0, 2)
    assert client.models.num_in_use == 0


async def test_half_a_character_is_escaped(responses_client: ClientOf) -> None:
    client = responses_client(Scripted((TextDelta("\ud83d"), TextDelta("\ude00"), Finished("stop", USAGE))))
    reply = await client.send("POST", "/v1/responses", {"model": "m", "input": "Hi", "stream": True})
    body = await bytes_of(reply)
    assert b'"delta":"\\ud83d"' in body.replace(b": ", b":")
    last = json.loads(body.removesuffix(b"\n\n").rpartition(b"data: ")[2])
    assert text_of(last["response"]).encode("utf-16", "surrogatepass").decode("utf-16") == "\U0001f600"
