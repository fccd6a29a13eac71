"""Any answer, whole and in chunks: put together, the chunks say what the whole reply says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_document import OpenAIDocument
from scripted import Scripted, chunks_of, clock, counted_ids, json_of, models_of, post

from seatrial.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, TokenScore, ToolCallDelta, Usage
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.completions import completion_routes

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCORES = st.builds(
    TokenScore,
    TEXTS,
    st.binary(max_size=4),
    st.floats(-50, 0),
    st.lists(st.builds(TokenScore, TEXTS, st.binary(max_size=4), st.floats(-50, 0)), max_size=2).map(tuple),
)
USAGES = st.none() | st.builds(Usage, st.integers(1, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))


@st.composite
def scripts(draw: st.DrawFn) -> tuple[ChatEvent, ...]:
    """What a provider may yield: pieces of text, reasoning and calls in any order, then the end."""
    events: list[ChatEvent] = []
    num_calls = 0
    for kind in draw(st.lists(st.sampled_from("trcf"), max_size=8)):
        match kind:
            case "t":
                events.append(TextDelta(draw(TEXTS), tuple(draw(st.lists(SCORES, max_size=2)))))
            case "r":
                events.append(ReasoningDelta(draw(TEXTS)))
            case "c":
                events.append(ToolCallDelta(num_calls, f"id{num_calls}", "f", draw(TEXTS)))
                num_calls += 1
            case "f" if num_calls:
                events.append(ToolCallDelta(draw(st.integers(0, num_calls - 1)), arguments=draw(TEXTS)))
    reason = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    return (*events, Finished(reason, draw(USAGES)))


def joined(chunks: Sequence[Any], index: int) -> dict[str, Any]:
    """One choice of a chat stream, put together as clients do it."""
    message: dict[str, Any] = {}
    logprobs: list[Any] = []
    finish_reason = None
    calls: dict[int, Any] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["index"] != index:
                continue
            assert finish_reason is None
            finish_reason = choice["finish_reason"]
            logprobs += (choice["logprobs"] or {"content": []})["content"]
            for key, value in choice["delta"].items():
                if key == "tool_calls":
                    for call in value:
                        had = calls.setdefault(call["index"], {"function": {"arguments": ""}})
                        had["function"]["arguments"] += call["function"].pop("arguments")
                        had["function"] |= call.pop("function")
                        had |= call
                elif message.get(key) is None:
                    message[key] = value
                else:
                    message[key] += value
    if calls:
        message["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"} for _, call in sorted(calls.items())
        ]
    return {"message": message, "finish_reason": finish_reason, "logprobs": logprobs}


@settings(max_examples=40, deadline=None)
@given(answers=st.lists(scripts(), min_size=1, max_size=3), with_logprobs=st.booleans())
def test_chunks_put_together_are_the_whole_reply(answers: list[tuple[ChatEvent, ...]], with_logprobs: bool):
    async def check() -> None:
        fields = {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "n": len(answers),
            "seed": 1,
            "logprobs": with_logprobs,
        }
        given_out: dict[int | None, Any] = {}

        def script(request: Any) -> Any:  # each seed has one answer
            return given_out.setdefault(request.sampling.seed, answers[len(given_out) % len(answers)])

        route, *_ = chat_routes(models_of(Scripted(script)), clock=clock, new_id=counted_ids())
        whole = json_of(await route.endpoint(post(route.path, fields)))
        *chunks, last, done = await chunks_of(
            await route.endpoint(post(route.path, fields | {"stream": True, "stream_options": {"include_usage": True}}))
        )
        assert (done, last["choices"], last["usage"]) == ("[DONE]", [], whole["usage"])
        assert {chunk["id"] for chunk in chunks} == {last["id"]}
        for choice in whole["choices"]:
            put_together = joined(chunks, choice["index"])
            del choice["message"]["annotations"]
            for message in (put_together["message"], choice["message"]):
                message["content"] = message["content"] or None  # empty and null say the same beside calls
            assert put_together["message"] == choice["message"]
            assert put_together["finish_reason"] == choice["finish_reason"]
            expected = choice["logprobs"]["content"] if with_logprobs else []
            assert put_together["logprobs"] == expected

    asyncio.run(check())


@pytest.fixture(scope="module")
def document(reference_data: Any) -> OpenAIDocument:
    return OpenAIDocument(reference_data / "openai-openapi.json")


SCORED = TokenScore("Hi", b"Hi", -0.5, (TokenScore("Hi", b"Hi", -0.5), TokenScore("\ufffd", b"\xf0", -2.0)))
EVERYTHING = (
    ReasoningDelta("hm"),
    TextDelta("Hi", (SCORED,)),
    ToolCallDelta(0, "call_a", "f", "{"),
    ToolCallDelta(0, arguments="}"),
    Finished("tool_calls", Usage(7, 3, 2, 1)),
)


async def test_chat_replies_are_as_openai_documents_them(document: OpenAIDocument):
    for script in (EVERYTHING, (Finished("stop", Usage(1, 0)),)):
        route, *_ = chat_routes(
            models_of(Scripted(script)), clock=clock, new_id=counted_ids(), system_fingerprint="fp_1"
        )
        fields = {"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 2, "logprobs": True}
        reply = json_of(await route.endpoint(post(route.path, fields | {"metadata": {"a": "b"}})))
        document.check("CreateChatCompletionResponse", reply)
        streamed = fields | {"stream": True, "stream_options": {"include_usage": True}}
        for chunk in (await chunks_of(await route.endpoint(post(route.path, streamed))))[:-1]:
            document.check("CreateChatCompletionStreamResponse", chunk)


async def test_completion_replies_are_as_openai_documents_them(document: OpenAIDocument):
    (route,) = completion_routes(
        models_of(Scripted(EVERYTHING)), clock=clock, new_id=counted_ids(), system_fingerprint="fp_1"
    )
    reply = json_of(await route.endpoint(post(route.path, {"model": "m", "prompt": ["x", "y"], "logprobs": 2})))
    document.check("CreateCompletionResponse", reply)
