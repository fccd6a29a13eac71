"""The OpenAI-compatible provider against a server that answers, and fails, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest
from stand_in import (
    KEY,
    Asked,
    Script,
    StandIn,
    answer,
    chunks,
    completion,
    delta,
    event,
    finish,
    hang,
    in_turn,
    openai_error,
    refusal,
    reset,
    whole,
)

from seatrial.chat import (
    ChatEvent,
    ChatRequest,
    Finished,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCall,
    Usage,
    gather,
    message,
)
from seatrial.errors import (
    AuthenticationFailed,
    BadReply,
    ContextTooLong,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
    UsageError,
)
from seatrial.providers.http_attempt import Timeouts
from seatrial.providers.http_failures import Retries
from seatrial.providers.openai_http import OpenAIProvider

HELLO = ChatRequest((message("user", "hello"),))
DONE = b"data: [DONE]\n\n"


class Sleeps:
    """Stands for `asyncio.sleep`: notes the waits and does not wait."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []

    async def __call__(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)


def provider_at(base_url: str, **changes: Any) -> OpenAIProvider:
    settings: dict[str, Any] = {"api_key": KEY, "name": "stand-in", "rng": random.Random(0), "sleep": Sleeps()}
    return OpenAIProvider(base_url=base_url, model="m", **settings | changes)


async def ask(choose: Callable[[Asked], Script] | Script, request: ChatRequest = HELLO, **changes: Any) -> Reply:
    async with StandIn(choose) as server:
        provider = provider_at(server.base_url, **changes)
        try:
            return await gather(provider.stream(request))
        finally:
            await provider.close()


def always(script: Script) -> Callable[[Asked], Script]:
    return lambda asked: script


async def test_an_answer_with_its_usage() -> None:
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    reply = await ask(always(answer("Ahoy there", **usage)))  # type: ignore[arg-type]
    assert reply.text == "Ahoy there"
    assert reply.finished == Finished("stop", Usage(20, 9, cached_tokens=16, reasoning_tokens=4), num_attempts=1)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart(field: str) -> None:
    pieces = [delta(**{field: "Hmm. "}), delta(**{field: "Yes."}), delta(content="42"), finish("stop"), DONE]
    reply = await ask(always(chunks(pieces)))
    assert (reply.reasoning, reply.text) == ("Hmm. Yes.", "42")


async def test_tool_calls_in_fragments() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        opening = {"id": f"call_{index}", "type": "function"} if "name" in function else {}
        return {"index": index, **opening, "function": function}

    pieces = [
        delta(tool_calls=[call(0, name="add", arguments="")]),
        delta(tool_calls=[call(0, arguments='{"a":'), call(1, name="sub", arguments="{")]),
        delta(tool_calls=[call(0, arguments="1}"), call(1, arguments="}")]),
        finish("tool_calls"),
        DONE,
    ]
    reply = await ask(always(chunks(pieces)))
    assert reply.tool_calls == {0: ToolCall("call_0", "add", '{"a":1}'), 1: ToolCall("call_1", "sub", "{}")}
    assert reply.finished is not None
    assert reply.finished.reason == "tool_calls"


async def test_the_first_token_comes_when_it_arrives_and_not_at_the_end() -> None:
    pieces = [delta(content="first"), delta(content=" last"), finish("stop"), DONE]
    loop = asyncio.get_running_loop()
    async with StandIn(always(chunks(pieces, pause_s=0.1))) as server:
        provider = provider_at(server.base_url)
        start = loop.time()
        at = [loop.time() - start async for _ in provider.stream(HELLO)]
        await provider.close()
    assert at[-1] - at[0] > 0.15


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain"])
async def test_a_server_that_does_not_stream(content_type: str) -> None:
    reply = await ask(always(whole(completion("all at once"), content_type)))
    assert reply.text == "all at once"
    assert reply.finished == Finished("stop", Usage(5, 2))


async def test_a_stream_with_the_wrong_label() -> None:
    pieces = [delta(content="hi"), finish("stop"), DONE]
    assert (await ask(always(chunks(pieces, content_type="application/json")))).text == "hi"


async def test_a_stream_without_done_but_with_a_reason_is_whole() -> None:
    assert (await ask(always(chunks([delta(content="hi"), finish("length")])))).finished == Finished("length")


async def test_a_connection_that_breaks_after_the_reason_is_whole() -> None:
    pieces = [delta(content="hi"), finish("stop")]
    assert (await ask(always(chunks(pieces, then="cut")))).finished == Finished("stop")


async def test_done_without_a_reason_is_a_stop() -> None:
    assert (await ask(always(chunks([delta(content="hi"), DONE])))).finished == Finished("stop")


async def test_half_an_emoji_in_each_of_two_pieces() -> None:
    raw = [delta(content="#").replace(b'"#"', half) for half in (b'"\\ud83d"', b'"\\ude00"')]
    reply = await ask(always(chunks([*raw, finish("stop"), DONE])))
    assert reply.text.encode("utf-16-le", "surrogatepass").decode("utf-16-le") == "😀"


CUT = [delta(content="half an ans")]
LATE = openai_error("the engine died", "server_error", None)


@pytest.mark.parametrize(
    ("script", "error", "text"),
    [
        (
            refusal(401, openai_error("bad key", "invalid_request_error", "invalid_api_key")),
            AuthenticationFailed,
            "bad key",
        ),
        (refusal(403, "<html><body><h1>Forbidden</h1></body></html>"), AuthenticationFailed, "Forbidden"),
        (refusal(400, openai_error("no such field", "invalid_request_error", None)), RequestRejected, "no such field"),
        (refusal(400, openai_error("too long", "x", "context_length_exceeded")), ContextTooLong, "too long"),
        (refusal(400, {"detail": "plain detail"}), RequestRejected, "plain detail"),
        (refusal(422, {"error": "only text"}), RequestRejected, "only text"),
        (refusal(404, ""), RequestRejected, "404"),
        (refusal(307, location="http://elsewhere/v1"), RequestRejected, "http://elsewhere/v1"),
        (refusal(429, openai_error("slow down", "requests", "rate_limit_exceeded")), RateLimited, "slow down"),
        (refusal(500, "[1, 2]"), ProviderUnavailable, "1, 2"),
        (refusal(503, openai_error("loading", "server_error", None)), ProviderUnavailable, "loading"),
        (chunks([b"data: {oops\n\n"]), BadReply, "malformed"),
        (chunks([b'data: {"choices": 7}\n\n']), BadReply, "choices"),
        (chunks([b"data: \xff\xfe{\n\n"]), BadReply, "bad reply"),
        (chunks([finish("exploded")]), BadReply, "exploded"),
        (chunks([]), BadReply, "cut before"),
        (chunks(CUT), BadReply, "cut before"),
        (chunks(CUT, then="cut"), BadReply, "cut off"),
        (chunks([*CUT, DONE[:4]]), BadReply, "cut before"),
        (chunks([*CUT, b'data: {"choices": [{"del']), BadReply, "bad reply"),
        (chunks([*CUT, event(LATE)]), ProviderUnavailable, "engine died"),
        (chunks([b"data: " + b"x" * 5000 + b"\n\n"]), BadReply, "larger than 4,096 bytes"),
        (whole("<html>hello</html>", "text/html"), BadReply, "web page"),
        (whole('{"choices": [{"mess'), BadReply, "bad reply"),
        (whole({"error": {"message": "nope", "code": 429}}), RateLimited, "nope"),
        (whole(""), BadReply, "cut before"),
        (reset, ProviderUnavailable, "closed the connection"),
    ],
)
async def test_what_goes_wrong_has_its_error(script: Script, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        await ask(always(script), retries=Retries(max_attempts=1), max_event_bytes=4096)
    assert "stand-in" in str(caught.value)


async def test_no_server_at_all() -> None:
    async with StandIn(always(answer("x"))) as server:
        base_url = server.base_url
    provider = provider_at(base_url, retries=Retries(max_attempts=2))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await gather(provider.stream(HELLO))
    assert len(provider._sleep.waits_s) == 1  # type: ignore[attr-defined]
    await provider.close()


async def test_the_key_is_sent_and_never_shown() -> None:
    bodies: list[str | dict[str, Any]] = [
        f"your key {KEY} is wrong",
        {"error": {"message": f"bad {KEY}", "code": KEY}},
        "Bearer abcdefgh123 rejected",
    ]
    for body in bodies:
        async with StandIn(always(refusal(401, body))) as server:
            provider = provider_at(server.base_url)
            with pytest.raises(AuthenticationFailed) as caught:
                await gather(provider.stream(HELLO))
            await provider.close()
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in str(caught.value)
        assert KEY not in str(caught.value.code)
        assert "abcdefgh123" not in str(caught.value)


async def test_a_long_error_page_is_quoted_briefly() -> None:
    with pytest.raises(RequestRejected) as caught:
        await ask(always(refusal(400, "<!doctype html><style>p {}</style><p>Sorry</p>" + "x" * 100_000)))
    assert len(str(caught.value)) < 400
    assert "Sorry" in str(caught.value)
    assert "style" not in str(caught.value)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
async def test_passing_failures_are_asked_again(status: int) -> None:
    sleeps = Sleeps()
    reply = await ask(in_turn(refusal(status), refusal(status), answer("at last")), sleep=sleeps)
    assert reply.text == "at last"
    assert reply.finished is not None
    assert reply.finished.num_attempts == 3
    assert 0 <= sleeps.waits_s[0] <= 0.5
    assert 0 <= sleeps.waits_s[1] <= 1.0


@pytest.mark.parametrize("script", [reset, chunks([delta(role="assistant")], then="cut")])
async def test_connections_lost_before_the_first_token_are_asked_again(script: Script) -> None:
    assert (await ask(in_turn(script, answer("at last")))).text == "at last"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:05 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 5.0),
        ({"retry_after": "soon"}, 0.0),
        ({"retry_after": "-4"}, 0.0),
        ({"retry_after": "nan"}, 0.0),
    ],
)
async def test_waits_as_the_server_asks(headers: dict[str, str], wait_s: float) -> None:
    sleeps = Sleeps()
    await ask(in_turn(refusal(429, **headers), answer("x")), sleep=sleeps)
    assert wait_s <= sleeps.waits_s[0] <= wait_s + 0.5


async def test_a_wait_that_is_too_long_is_told_instead() -> None:
    sleeps = Sleeps()
    with pytest.raises(RateLimited) as caught:
        await ask(always(refusal(429, retry_after="3600")), sleep=sleeps)
    assert caught.value.retry_after_s == 3600
    assert sleeps.waits_s == []


async def test_no_wait_goes_past_the_overall_limit() -> None:
    sleeps = Sleeps()
    with pytest.raises(RateLimited):
        await ask(always(refusal(429, retry_after="30")), sleep=sleeps, timeouts=Timeouts(overall_s=20))
    assert sleeps.waits_s == []


async def test_gives_up_after_the_last_attempt() -> None:
    async with StandIn(always(refusal(500))) as server:
        provider = provider_at(server.base_url, retries=Retries(max_attempts=3))
        with pytest.raises(ProviderUnavailable):
            await gather(provider.stream(HELLO))
        await provider.close()
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("first", "num_asked"),
    [
        (refusal(500, x_should_retry="false"), 1),
        (refusal(400, x_should_retry="true"), 2),
        (refusal(400), 1),
        (refusal(401), 1),
        (refusal(429, openai_error("pay up", "insufficient_quota", "insufficient_quota")), 1),
        (chunks([delta(content="said"), event(LATE)]), 1),
        (chunks([delta(content="said")], then="cut"), 1),
        (chunks([event(LATE)]), 2),
    ],
)
async def test_what_is_asked_again(first: Script, num_asked: int) -> None:
    async with StandIn(in_turn(first, answer("x"))) as server:
        provider = provider_at(server.base_url)
        with contextlib.suppress(ProviderError):
            await gather(provider.stream(HELLO))
        await provider.close()
    assert len(server.asked) == num_asked


HASTE = Timeouts(first_byte_s=0.15, between_s=0.1, overall_s=0.4)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (hang, "did not begin to answer in 0.15 s"),
        (chunks([], then="hang"), "did not begin to answer in 0.15 s"),
        (chunks(CUT, then="hang"), "sent nothing more in 0.1 s"),
        (chunks([delta(content="x")] * 40, pause_s=0.05), "did not end its answer in 0.4 s"),
    ],
)
async def test_silence_has_its_limits(script: Script, text: str) -> None:
    loop = asyncio.get_running_loop()
    async with StandIn(always(script)) as server:
        provider = provider_at(server.base_url, timeouts=HASTE)
        start = loop.time()
        with pytest.raises(ProviderTimeout, match=text):
            await gather(provider.stream(HELLO))
        assert loop.time() - start < 1.0
        await asyncio.wait_for(server.abandoned.wait(), 2.0)
        await provider.close()
    assert len(server.asked) == 1


async def test_the_consumers_own_time_is_no_silence() -> None:
    async with StandIn(always(chunks([delta(content="a"), delta(content="b"), finish("stop"), DONE]))) as server:
        provider = provider_at(server.base_url, timeouts=Timeouts(first_byte_s=0.1, between_s=0.1))
        text = ""
        async for piece in provider.stream(HELLO):
            await asyncio.sleep(0.15)
            text += piece.text if isinstance(piece, TextDelta) else ""
        await provider.close()
    assert text == "ab"


async def test_a_long_thought_needs_only_the_first_limit() -> None:
    thinks = [delta(role="assistant"), delta(content="x"), finish("stop"), DONE]

    async def slow_start(request: Any) -> Any:
        await asyncio.sleep(0.25)
        return await chunks(thinks)(request)

    assert (await ask(always(slow_start), timeouts=Timeouts(first_byte_s=2.0, between_s=0.1))).text == "x"


@pytest.mark.parametrize("how", ["cancel", "aclose"])
async def test_leaving_early_closes_the_connection(how: str) -> None:
    async with StandIn(always(chunks([delta(content="x")] * 1000, pause_s=0.01))) as server:
        provider = provider_at(server.base_url)
        first = asyncio.Event()
        stream = provider.stream(HELLO)

        async def read() -> None:
            async for _ in stream:
                first.set()
                if how == "aclose":
                    break

        task = asyncio.create_task(read())
        await first.wait()
        if how == "cancel":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(server.abandoned.wait(), 2.0)
        assert server.num_abandoned == 1
        await provider.close()


async def test_cancelling_while_it_waits_for_the_reply() -> None:
    async with StandIn(always(hang)) as server:
        provider = provider_at(server.base_url)
        task = asyncio.create_task(gather(provider.stream(HELLO)))
        while not server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.abandoned.wait(), 2.0)
        await provider.close()


async def test_connections_are_used_again_and_closing_twice_is_safe() -> None:
    ports = set()

    async def script(request: Any) -> Any:
        ports.add(request.transport.get_extra_info("peername"))
        return await answer("x")(request)

    async with StandIn(always(script)) as server:
        provider = provider_at(server.base_url)
        for _ in range(5):
            await gather(provider.stream(HELLO))
        await provider.close()
        await provider.close()
    assert len(ports) == 1


async def test_many_at_once() -> None:
    async with StandIn(lambda asked: answer(asked.text.upper())) as server:
        provider = provider_at(server.base_url)
        asking = [gather(provider.stream(ChatRequest((message("user", f"item {n}"),)))) for n in range(50)]
        replies = await asyncio.gather(*asking)
        await provider.close()
    assert [reply.text for reply in replies] == [f"ITEM {n}" for n in range(50)]


@pytest.mark.parametrize(
    ("base_url", "path"),
    [("{}", "/v1/chat/completions"), ("{}/", "/v1/chat/completions"), ("{}/chat/completions", "/v1/chat/completions")],
)
async def test_addresses_as_people_write_them(base_url: str, path: str) -> None:
    async with StandIn(always(answer("x"))) as server:
        provider = provider_at(base_url.format(server.base_url))
        assert (await gather(provider.stream(HELLO))).text == "x"
        await provider.close()


@pytest.mark.parametrize(
    "base_url", ["", "localhost:8000/v1", "ftp://host/v1", "http://", "http://h:99999/v1", "http://u:p@h/v1"]
)
def test_addresses_that_are_none(base_url: str) -> None:
    with pytest.raises(UsageError, match="stand-in"):
        provider_at(base_url)


@pytest.mark.parametrize("key", ["sk-abc\ndef", "sk-äöü", "sk two"])
def test_keys_that_cannot_be_sent_are_not_shown(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        provider_at("http://localhost/v1", api_key=key)
    assert key not in str(caught.value)


async def test_events_are_the_neutral_ones() -> None:
    pieces = [delta(reasoning="r"), delta(content="a"), delta(refusal="no"), finish("stop"), DONE]
    async with StandIn(always(chunks(pieces))) as server:
        provider = provider_at(server.base_url)
        events: list[ChatEvent] = [event async for event in provider.stream(HELLO)]
        await provider.close()
    assert events == [ReasoningDelta("r"), TextDelta("a"), TextDelta("no"), Finished("stop")]
