"""The OpenAI-compatible provider below a server: bare prompts, log-probabilities, errors that are passed on whole."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from stand_in import KEY, Script, StandIn, answer, chunks, delta, event, finish, in_turn, openai_error, refusal, whole

from seatrial.chat import ChatEvent, ChatRequest, Finished, TextDelta, TokenScore, Usage, gather, message
from seatrial.errors import (
    AuthenticationFailed,
    BadReply,
    ContextTooLong,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    UpstreamReply,
)
from seatrial.providers.openai_http import OpenAIProvider

HELLO = ChatRequest((message("user", "hello"),))
DONE = b"data: [DONE]\n\n"


def provider_at(server: StandIn, **changes: Any) -> OpenAIProvider:
    """As a server has it: its client asks again, it does not."""
    settings = {"api_key": KEY, "name": "stand-in", "rng": random.Random(0), "retries": None} | changes
    return OpenAIProvider(base_url=server.base_url, model="m", **settings)


async def events(script: Script, request: ChatRequest = HELLO) -> list[ChatEvent]:
    async with StandIn(lambda asked: script) as server:
        provider = provider_at(server)
        try:
            return [event async for event in provider.stream(request)]
        finally:
            await provider.close()


async def failure(script: Script) -> Any:
    with pytest.raises((ProviderError, ContextTooLong)) as caught:
        await events(script)
    return caught.value


def piece(text: str, logprobs: Any = None) -> bytes:
    return event({"choices": [{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": None}]})


async def test_a_prompt_goes_to_text_completions() -> None:
    scores = {"tokens": [" was"], "token_logprobs": [-0.5], "top_logprobs": [{" was": -0.5}], "text_offset": [3]}
    pieces = [
        piece(" was", scores),
        event({"choices": [{"index": 0, "text": "", "finish_reason": "length"}]}),
        event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
        DONE,
    ]
    async with StandIn(lambda asked: chunks(pieces)) as server:
        provider = provider_at(server)
        asked = ChatRequest((), prompt="Once there", num_logprobs=1)
        found = [event async for event in provider.stream(asked)]
        await gather(provider.stream(HELLO))
        await provider.close()
    score = TokenScore(" was", b" was", -0.5, (TokenScore(" was", b" was", -0.5),))
    assert found == [TextDelta(" was", (score,)), Finished("length", Usage(3, 1))]
    assert [asked.path for asked in server.asked] == ["/v1/completions", "/v1/chat/completions"]
    assert server.asked[0].body["prompt"] == "Once there"


async def test_a_text_completion_that_is_not_streamed() -> None:
    whole_one = {"object": "text_completion", "choices": [{"index": 0, "text": "ahoy", "finish_reason": "stop"}]}
    assert await events(whole(whole_one), ChatRequest((), prompt="x")) == [TextDelta("ahoy"), Finished("stop")]


async def test_log_probabilities_that_do_not_come_are_missed() -> None:
    scored = event({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": []}}]})
    for pieces in ([delta(content="a"), finish("stop"), DONE], [scored, finish("stop"), DONE]):
        with pytest.raises(BadReply, match=r"`stand-in` gave no log-probabilities.*Ask without `logprobs`"):
            await events(chunks(pieces), ChatRequest(HELLO.messages, num_logprobs=0))
    nothing = await events(chunks([finish("stop"), DONE]), ChatRequest(HELLO.messages, num_logprobs=0))
    assert nothing == [Finished("stop")]


async def test_some_text_may_come_without_a_token_of_its_own() -> None:
    score = {"token": "a", "logprob": -1.0, "bytes": [97]}
    scored = event({"choices": [{"index": 0, "delta": {"content": ""}, "logprobs": {"content": [score]}}]})
    found = await events(
        chunks([scored, delta(content="a"), finish("stop"), DONE]), ChatRequest(HELLO.messages, num_logprobs=0)
    )
    assert found == [TextDelta("", (TokenScore("a", b"a", -1.0),)), TextDelta("a"), Finished("stop")]


HEADERS = {
    "retry_after": "Sun, 22 Nov 2026 10:00:05 GMT",
    "retry_after_ms": "1500",
    "x_should_retry": "true",
    "x_ratelimit_remaining_requests": "0",
    "x_ratelimit_reset_tokens": "6m0s",
    "x_other": "not passed on",
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejected),
        (401, AuthenticationFailed),
        (404, RequestRejected),
        (408, ProviderTimeout),
        (409, ProviderUnavailable),
        (422, RequestRejected),
        (429, RateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
        (529, ProviderUnavailable),
    ],
)
async def test_what_the_server_said_is_kept_whole(status: int, kind: type[Exception]) -> None:
    said = {"message": "First line.\nSecond " + "x" * 500, "type": "some_type", "param": "top_k", "code": "some_code"}
    error = await failure(refusal(status, {"error": said}, **HEADERS))
    assert type(error) is kind
    assert len(str(error)) < 400
    assert error.upstream == UpstreamReply(
        status,
        said["message"],
        "some_type",
        "top_k",
        "some_code",
        {
            "retry-after": "Sun, 22 Nov 2026 10:00:05 GMT",
            "retry-after-ms": "1500",
            "x-should-retry": "true",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-tokens": "6m0s",
        },
    )


async def test_a_prompt_that_is_too_long_is_kept_whole() -> None:
    error = await failure(refusal(400, openai_error("too long", "invalid_request_error", "context_length_exceeded")))
    assert isinstance(error, ContextTooLong)
    assert error.upstream == UpstreamReply(
        400, "too long", "invalid_request_error", None, "context_length_exceeded", error.upstream.headers
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", UpstreamReply(418, "")),
        ("<html><style>p {}</style><p>Sorry\nfor this</p></html>", UpstreamReply(418, "Sorry for this")),
        ({"detail": "plain"}, UpstreamReply(418, "plain")),
        ({"error": {"message": "m", "code": 418, "type": None}}, UpstreamReply(418, "m", code="418")),
        ({"error": {"message": f"bad {KEY}", "param": KEY}}, UpstreamReply(418, "bad [key]", param="[key]")),
    ],
)
async def test_errors_of_other_shapes(body: str | dict[str, Any], said: UpstreamReply) -> None:
    assert (await failure(refusal(418, body))).upstream == said


async def test_headers_that_cannot_be_passed_on_are_left_out() -> None:
    error = await failure(refusal(429, openai_error("m", "t", None), x_ratelimit_note="vermutlich später"))
    assert error.upstream.headers == {}


async def test_an_error_in_the_middle_is_kept_whole() -> None:
    late = event({"error": {"message": "the engine died", "type": "server_error", "param": None, "code": "e7"}})
    error = await failure(chunks([delta(content="said"), late]))
    assert isinstance(error, ProviderUnavailable)
    assert error.upstream == UpstreamReply(500, "the engine died", "server_error", None, "e7")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_without_retries_an_error_comes_through_at_once(status: int) -> None:
    async with StandIn(in_turn(refusal(status, retry_after="0"), answer("x"))) as server:
        provider = provider_at(server)
        with pytest.raises(ProviderError) as caught:
            await gather(provider.stream(HELLO))
        await provider.close()
    assert caught.value.status == status
    assert len(server.asked) == 1


async def test_leaving_a_prompt_early_closes_the_connection() -> None:
    async with StandIn(lambda asked: chunks([piece("x")] * 1000, pause_s=0.01)) as server:
        provider = provider_at(server)
        task = asyncio.create_task(gather(provider.stream(ChatRequest((), prompt="x"))))
        while not server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.abandoned.wait(), 2.0)
        await provider.close()
