"""`POST /v1/chat/completions`: whole replies, streams, several choices, and what goes wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from drawn_pictures import picture
from scripted import (
    CREATED,
    USAGE,
    CountingScripted,
    Scripted,
    ScriptedModels,
    bytes_of,
    chunks_of,
    clock,
    counted_ids,
    json_of,
    models_of,
    post,
    says,
)

from seatrial.chat import (
    ChatRequest,
    Finished,
    ImagePart,
    ReasoningDelta,
    TextDelta,
    TokenScore,
    ToolCallDelta,
    Usage,
    message,
)
from seatrial.errors import BadReply, ContextTooLong, ProviderError, RateLimited, RequestRejected
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.errors import Failure
from seatrial.server.http import Reply, Streamed
from seatrial.server.wire.limits import WireLimits

PNG = picture()
PATH = "/v1/chat/completions"
HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
SCORES = (
    TokenScore("Hel", b"Hel", -0.1, (TokenScore("Hel", b"Hel", -0.1), TokenScore("\ufffd", b"\xf0", -2.0))),
    TokenScore("lo", b"lo", float("-inf")),
)
CALLS = (
    ToolCallDelta(0, "call_a", "weather", ""),
    ToolCallDelta(0, arguments='{"city":'),
    ToolCallDelta(0, arguments='"Oslo"}'),
    ToolCallDelta(1, "call_b", "time", "{}"),
    Finished("tool_calls", USAGE),
)


async def ask(provider: Any = None, *, models: ScriptedModels | None = None, **fields: Any) -> Reply | Streamed:
    route, *_ = chat_routes(models or models_of(provider), clock=clock, new_id=counted_ids(), system_fingerprint="fp_1")
    assert (route.method, route.path, route.is_generation, route.is_open) == ("POST", PATH, True, False)
    return await route.endpoint(post(PATH, HELLO | fields))


async def test_a_whole_reply_has_every_key_also_where_it_is_null():
    assert json_of(await ask()) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": "m",
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {
                    "role": "assistant",
                    "content": "Hello there friend",
                    "refusal": None,
                    "annotations": [],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 1,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


async def test_the_stream_of_the_same_answer():
    reply = await ask(stream=True)
    assert isinstance(reply, Streamed)
    assert reply.media_type.startswith(b"text/event-stream")
    chunks = await chunks_of(reply)
    assert chunks.pop() == "[DONE]"
    constant = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "m",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }
    deltas = [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"content": "Hello"}, None),
        ({"content": " there"}, None),
        ({"content": " friend"}, None),
        ({}, "stop"),
    ]
    assert chunks == [
        constant | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        for delta, reason in deltas
    ]


async def test_usage_in_a_stream_is_null_until_a_last_chunk_without_choices():
    *chunks, last, done = await chunks_of(await ask(stream=True, stream_options={"include_usage": True}))
    assert done == "[DONE]"
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == json_of(await ask())["usage"]
    without = await chunks_of(await ask(stream=True, stream_options={"include_usage": False}))
    assert all("usage" not in chunk for chunk in without[:-1])


async def test_usage_that_nobody_told_is_null():
    provider = Scripted(says("x", usage=None))
    assert json_of(await ask(provider))["usage"] is None
    *_, last, _ = await chunks_of(await ask(provider, stream=True, stream_options={"include_usage": True}))
    assert (last["choices"], last["usage"]) == ([], None)


async def test_an_alias_answers_under_the_name_that_was_asked_for():
    models = models_of()
    assert json_of(await ask(models=models, model="gpt-5-mini"))["model"] == "gpt-5-mini"
    assert models.num_in_use == 0


async def test_tool_calls_whole_and_in_fragments():
    (choice,) = json_of(await ask(Scripted(CALLS)))["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
        {"id": "call_b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]
    chunks = (await chunks_of(await ask(Scripted(CALLS), stream=True)))[:-1]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": None, "refusal": None}
    assert [delta["tool_calls"] for delta in deltas[1:-1]] == [
        [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"city":'}}],
        [{"index": 0, "function": {"arguments": '"Oslo"}'}}],
        [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "time", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": "{}"}}],
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_an_answer_that_calls_ends_for_that_reason_and_calls_have_names():
    provider = Scripted((ToolCallDelta(0, None, "f", "{}"), Finished("stop", USAGE)))
    (choice,) = json_of(await ask(provider))["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["id"].startswith("call_")
    _, first, *_, last, _ = await chunks_of(await ask(provider, stream=True))
    assert first["choices"][0]["delta"]["tool_calls"][0]["id"].startswith("call_")
    assert last["choices"][0]["finish_reason"] == "tool_calls"


async def test_reasoning_never_gets_into_the_content():
    provider = Scripted((ReasoningDelta("hm "), ReasoningDelta("yes"), TextDelta("42"), Finished("stop", USAGE)))
    (choice,) = json_of(await ask(provider))["choices"]
    assert choice["message"]["content"] == "42"
    assert choice["message"]["reasoning_content"] == choice["message"]["reasoning"] == "hm yes"
    deltas = [chunk["choices"][0]["delta"] for chunk in (await chunks_of(await ask(provider, stream=True)))[:-1]]
    assert deltas[1:3] == [{"reasoning_content": text, "reasoning": text} for text in ("hm ", "yes")]
    assert "".join(delta.get("content") or "" for delta in deltas) == "42"


async def test_logprobs_of_every_token():
    provider = Scripted((TextDelta("Hello", SCORES), Finished("length", USAGE)))
    expected = {
        "content": [
            {
                "token": "Hel",
                "logprob": -0.1,
                "bytes": [72, 101, 108],
                "top_logprobs": [
                    {"token": "Hel", "logprob": -0.1, "bytes": [72, 101, 108]},
                    {"token": "\ufffd", "logprob": -2.0, "bytes": [240]},
                ],
            },
            {"token": "lo", "logprob": -9999.0, "bytes": [108, 111], "top_logprobs": []},
        ],
        "refusal": None,
    }
    (choice,) = json_of(await ask(provider, logprobs=True, top_logprobs=2))["choices"]
    assert (choice["logprobs"], choice["finish_reason"]) == (expected, "length")
    assert provider.requests[0].num_logprobs == 2
    _, text, *_ = await chunks_of(await ask(provider, logprobs=True, top_logprobs=2, stream=True))
    assert text["choices"][0]["logprobs"] == expected
    assert json_of(await ask(provider))["choices"][0]["logprobs"] is None


async def test_tokens_without_text_keep_their_scores():
    provider = Scripted((TextDelta("", SCORES), TextDelta(""), TextDelta("Hello"), Finished("stop", USAGE)))
    chunks = (await chunks_of(await ask(provider, logprobs=True, stream=True)))[:-1]
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["", "", "Hello", None]
    assert len(chunks[1]["choices"][0]["logprobs"]["content"]) == 2


async def test_an_answer_of_nothing():
    provider = Scripted((Finished("content_filter", USAGE),))
    (choice,) = json_of(await ask(provider))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
    first, last, done = await chunks_of(await ask(provider, stream=True))
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert last["choices"][0]["finish_reason"] == "content_filter"
    assert done == "[DONE]"


async def test_text_of_every_kind_comes_through():
    text = 'quote " back \\ line\nsep\u2028 nul \x00 emoji \U0001f6a2 html </script>'
    provider = Scripted((TextDelta(text), Finished("stop", USAGE)))
    assert json_of(await ask(provider))["choices"][0]["message"]["content"] == text
    _, chunk, *_ = await chunks_of(await ask(provider, stream=True))
    assert chunk["choices"][0]["delta"]["content"] == text


async def test_a_character_cut_in_two_comes_through_in_both_halves():
    provider = Scripted((TextDelta("a\ud83d"), TextDelta("\udea2b"), Finished("stop", USAGE)))
    assert json_of(await ask(provider))["choices"][0]["message"]["content"] == "a\U0001f6a2b"
    body = await bytes_of(await ask(provider, stream=True))
    assert b'"a\\ud83d"' in body
    assert b'"\\udea2b"' in body


async def test_choices_run_at_once_and_their_usage_is_summed():
    usages = iter([Usage(7, 3, 2, 1), Usage(7, 4, 7, 0), Usage(7, 5, 7, 2)])
    all_asked = asyncio.Event()

    def script(request):
        if len(provider.requests) == 3:
            all_asked.set()
        return (all_asked, *says(f"seed {request.sampling.seed}", usage=next(usages)))

    provider = Scripted(script)
    async with asyncio.timeout(10):
        reply = json_of(await ask(provider, n=3, seed=5))
    contents = [choice["message"]["content"] for choice in reply["choices"]]
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert contents[0] == "seed 5"
    assert len(set(contents)) == 3
    usage = reply["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 12, 19)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 2
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 3


async def test_choices_in_a_stream_each_begin_and_end_once():
    provider = Scripted(lambda request: says(f"seed {request.sampling.seed}"))
    *chunks, usage, done = await chunks_of(
        await ask(provider, n=3, seed=5, stream=True, stream_options={"include_usage": True})
    )
    assert done == "[DONE]"
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 9)
    for index in range(3):
        mine = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        assert [choice["delta"].get("role") for choice in mine] == ["assistant", None, None, None]
        assert [choice["finish_reason"] for choice in mine] == [None, None, None, "stop"]
    whole = json_of(await ask(provider, n=3, seed=5))
    for choice in whole["choices"]:
        streamed = [
            c["delta"].get("content", "") for k in chunks for c in k["choices"] if c["index"] == choice["index"]
        ]
        assert "".join(streamed) == choice["message"]["content"]


async def test_the_first_error_of_a_choice_ends_them_all():
    calls = iter([says("slow", pause_s=30), (TextDelta("x"), ProviderError("broken")), says("slow", pause_s=30)])
    provider = Scripted(lambda _: next(calls))
    with pytest.raises(ProviderError, match="broken"):
        await ask(provider, n=3)
    assert (provider.num_open, provider.num_cut) == (0, 2)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_before_the_first_event_fails_the_request(n: int, stream: bool):
    for error in (ContextTooLong("too long"), RequestRejected("no"), RateLimited("slow down"), RuntimeError("bug")):
        provider, models = Scripted((error,)), models_of()
        models.providers = {"m": provider}
        with pytest.raises(type(error)):
            await ask(models=models, n=n, stream=stream)
        assert (models.num_in_use, provider.num_open) == (0, 0)


async def test_what_fails_in_mid_stream_is_raised_from_the_pieces():
    provider = Scripted((TextDelta("Hello"), BadReply("the upstream broke off")))
    models = models_of(provider)
    reply = await ask(models=models, stream=True)
    assert isinstance(reply, Streamed)
    seen = await anext(reply.pieces)
    assert b'"content":"Hello"' in seen
    assert b"DONE" not in seen
    with pytest.raises(BadReply, match="broke off"):
        await anext(reply.pieces)
    assert models.num_in_use == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_an_end_is_a_bad_reply(stream: bool):
    async def answer() -> Any:
        return await chunks_of(await ask(Scripted((TextDelta("Hello"),)), stream=stream))

    with pytest.raises(BadReply, match="broke off"):
        await answer()


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("num_read", [0, 1])
async def test_a_stream_that_is_closed_stops_the_work(n: int, num_read: int):
    provider = Scripted((TextDelta("Hello"), 0.001, TextDelta("x"), 30, Finished("stop", USAGE)))
    models = models_of(provider)
    reply = await ask(models=models, n=n, stream=True)
    assert isinstance(reply, Streamed)
    assert models.num_in_use == 1
    for _ in range(num_read):
        await anext(reply.pieces)
    await reply.pieces.aclose()
    assert (provider.num_open, provider.num_ended, models.num_in_use) == (0, 0, 0)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_is_cancelled_stops_the_work(n: int, stream: bool):
    provider = Scripted((30, TextDelta("Hello"), Finished("stop", USAGE)))
    models = models_of(provider)
    task = asyncio.create_task(ask(models=models, n=n, stream=stream))
    while provider.num_open < n:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (provider.num_open, provider.num_cut, models.num_in_use) == (0, n, 0)


async def test_a_provider_that_cancels_itself_hangs_nobody():
    calls = iter([says("slow", pause_s=30), (TextDelta("x"), asyncio.CancelledError())])
    with pytest.raises(BadReply, match="cancelled"):
        await asyncio.wait_for(ask(Scripted(lambda _: next(calls)), n=2), 5)


async def test_a_slow_reader_makes_the_choices_wait():
    provider = Scripted((*[TextDelta("x")] * 1000, Finished("stop", USAGE)))
    reply = await ask(provider, n=4, stream=True)
    assert isinstance(reply, Streamed)
    await anext(reply.pieces)
    for _ in range(200):
        await asyncio.sleep(0)
    assert provider.num_open == 4
    assert (await bytes_of(reply)).count(b'"content":"x"') == 4000 - 1
    assert (provider.num_open, provider.num_ended) == (0, 4)


async def test_an_unknown_model_is_404_and_names_those_there_are():
    for stream in (False, True):
        with pytest.raises(Failure, match="`gpt-5-mini`") as caught:
            await ask(model="gpt-6", stream=stream)
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def many_words(num: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": "word " * num}]


async def test_an_answer_that_would_not_fit_is_bounded_to_the_room_there_is():
    provider = CountingScripted(context_length=100)
    await ask(provider, messages=many_words(90), max_tokens=50)
    await ask(provider, messages=many_words(90), max_tokens=10)
    await ask(provider, messages=many_words(90))
    assert [request.max_tokens for request in provider.requests] == [10, 10, None]


@pytest.mark.parametrize("num_words", [100, 101, 5000])
async def test_a_prompt_that_leaves_no_room_is_refused(num_words: int):
    provider = CountingScripted(context_length=100)
    for stream in (False, True):
        with pytest.raises(Failure, match=f"{num_words:,}") as caught:
            await ask(provider, messages=many_words(num_words), max_tokens=5, stream=stream)
        assert (caught.value.param, caught.value.code) == ("messages", "context_length_exceeded")
        assert "100 tokens" in caught.value.message
    assert provider.requests == []


async def test_a_short_prompt_in_a_long_context_is_not_counted():
    class Uncounted(CountingScripted):
        def count_tokens(self, request: ChatRequest) -> int:
            raise AssertionError("nobody asked")

    provider = Uncounted(context_length=8192)
    await ask(provider, max_tokens=4096)
    assert provider.requests[0].max_tokens == 4096
    with pytest.raises(AssertionError):
        await ask(provider, max_tokens=8000)


async def test_the_tally_knows_model_and_usage():
    for stream in (False, True):
        route, *_ = chat_routes(models_of(), clock=clock, new_id=counted_ids())
        call = post(PATH, HELLO | {"stream": stream, "model": "gpt-5-mini"})
        reply = await route.endpoint(call)
        if isinstance(reply, Streamed):
            await bytes_of(reply)
        assert (call.tally.model, call.tally.usage) == ("gpt-5-mini", USAGE)


async def test_metadata_comes_back():
    assert json_of(await ask(metadata={"run": "7"}))["metadata"] == {"run": "7"}


async def test_pictures_are_fetched_where_the_operator_allows_their_host():
    provider, asked_for = Scripted(), []

    async def fetch(places: Any, hold: Any) -> Any:
        asked_for.append(dict(places))
        return {url: ImagePart(PNG, "image/png") for url in places}

    url = "https://img.example.com/a.png"
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    limits = WireLimits(image_hosts=frozenset({"img.example.com"}))
    for fetcher in (fetch, None):
        route, *_ = chat_routes(
            models_of(provider), clock=clock, new_id=counted_ids(), limits=limits, fetch_pictures=fetcher
        )
        call = post(PATH, HELLO | {"messages": messages})
        if fetcher is not None:
            await route.endpoint(call)
        else:
            with pytest.raises(Failure, match="could not be fetched"):
                await route.endpoint(call)
    assert asked_for == [{url: "messages[0].content[0].image_url.url"}]
    assert provider.requests[0].messages[0].parts == (ImagePart(PNG, "image/png"),)


async def test_what_the_provider_is_asked():
    provider = Scripted()
    await ask(provider, temperature=0.5, max_completion_tokens=9, stop="END")
    (request,) = provider.requests
    assert request.messages == (message("user", "Hello"),)
    assert (request.sampling.temperature, request.max_tokens, request.stop) == (0.5, 9, ("END",))
