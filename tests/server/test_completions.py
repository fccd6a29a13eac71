"""`POST /v1/completions`: one prompt and many, echo, log-probabilities, streams."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import (
    CREATED,
    USAGE,
    CountingScripted,
    Scripted,
    chunks_of,
    clock,
    counted_ids,
    json_of,
    models_of,
    post,
    says,
)

from seatrial.chat import ChatRequest, Finished, TextDelta, TokenScore, Usage
from seatrial.errors import ContextTooLong
from seatrial.server.endpoints.completions import completion_routes
from seatrial.server.errors import Failure
from seatrial.server.http import Reply, Streamed
from seatrial.server.wire.limits import WireLimits

PATH = "/v1/completions"
SHIP = "\U0001f6a2".encode()
SCORES = (
    TokenScore("Hi", b"Hi", -0.5, (TokenScore("Hi", b"Hi", -0.5), TokenScore("Ho", b"Ho", -1.0))),
    TokenScore("\ufffd", SHIP[:2], -0.25, (TokenScore(" ", b" ", -0.1),)),
    TokenScore("\ufffd", SHIP[2:], -0.125),
    TokenScore("!", b"!", float("-inf")),
)


def echoes(request: ChatRequest) -> Any:
    return says(f"<{request.prompt}>")


async def ask(provider: Any = None, limits: WireLimits = WireLimits(), **fields: Any) -> Reply | Streamed:  # noqa: B008
    (route,) = completion_routes(
        models_of(provider), clock=clock, new_id=counted_ids(), limits=limits, system_fingerprint="fp_1"
    )
    assert (route.method, route.path, route.is_generation, route.is_open) == ("POST", PATH, True, False)
    return await route.endpoint(post(PATH, {"model": "m", "prompt": "Once"} | fields))


async def refused(**fields: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await ask(**fields)
    assert caught.value.status == 400
    return caught.value


async def test_a_whole_reply():
    provider = Scripted()
    reply = json_of(await ask(provider))
    assert reply["usage"]["total_tokens"] == 10
    del reply["usage"]
    assert reply == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": CREATED,
        "model": "m",
        "system_fingerprint": "fp_1",
        "choices": [{"text": "Hello there friend", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    }
    assert provider.requests == [ChatRequest((), prompt="Once", max_tokens=16)]


async def test_the_stream_of_the_same_answer():
    *chunks, usage, done = await chunks_of(await ask(stream=True, stream_options={"include_usage": True}))
    constant = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": CREATED,
        "model": "m",
        "system_fingerprint": "fp_1",
    }
    texts = [("Hello", None), (" there", None), (" friend", None), ("", "stop")]
    assert chunks == [
        constant
        | {
            "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": reason}],
            "usage": None,
        }
        for text, reason in texts
    ]
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 10)
    assert done == "[DONE]"
    assert all("usage" not in chunk for chunk in (await chunks_of(await ask(stream=True)))[:-1])


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("Once", ["Once"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], [(1, 2, 3)]),
        ([[1], [2, 3]], [(1,), (2, 3)]),
    ],
)
async def test_a_prompt_has_four_forms(prompt: Any, prompts: list[Any]):
    provider = Scripted(echoes)
    reply = json_of(await ask(provider, prompt=prompt))
    assert [request.prompt for request in provider.requests] == prompts
    assert [choice["text"] for choice in reply["choices"]] == [f"<{prompt}>" for prompt in prompts]


async def test_choices_of_a_prompt_stand_together_and_its_tokens_are_counted_once():
    usages = {"a": Usage(10, 1, 5), "b": Usage(20, 2)}
    provider = Scripted(lambda request: says(f"{request.prompt}{request.sampling.seed}", usage=usages[request.prompt]))
    reply = json_of(await ask(provider, prompt=["a", "b"], n=2, seed=1))
    texts = [choice["text"] for choice in reply["choices"]]
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
    assert [text[0] for text in texts] == ["a", "a", "b", "b"]
    assert (texts[0], texts[2]) == ("a1", "b1")
    assert texts[1][1:] == texts[3][1:]
    usage = reply["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (30, 6)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 5
    *chunks, last, _ = await chunks_of(
        await ask(provider, prompt=["a", "b"], n=2, seed=1, stream=True, stream_options={"include_usage": True})
    )
    assert last["usage"] == usage
    for index, text in enumerate(texts):
        mine = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        assert "".join(choice["text"] for choice in mine) == text
        assert [choice["finish_reason"] for choice in mine if choice["finish_reason"]] == ["stop"]


async def test_echo_puts_each_prompt_before_its_answers():
    provider = Scripted(echoes)
    fields = {"prompt": ["a", "b"], "n": 2, "echo": True}
    texts = [choice["text"] for choice in json_of(await ask(provider, **fields))["choices"]]
    assert texts == ["a<a>", "a<a>", "b<b>", "b<b>"]
    chunks = (await chunks_of(await ask(provider, **fields, stream=True)))[:-1]
    streamed = ["", "", "", ""]
    for chunk in chunks:
        (choice,) = chunk["choices"]
        streamed[choice["index"]] += choice["text"]
    assert streamed == texts


async def test_logprobs_in_the_older_form():
    provider = Scripted((TextDelta("Hi", SCORES[:1]), TextDelta("\U0001f6a2!", SCORES[1:]), Finished("length", USAGE)))
    expected = {
        "tokens": ["Hi", "bytes:\\xf0\\x9f", "bytes:\\x9a\\xa2", "!"],
        "token_logprobs": [-0.5, -0.25, -0.125, -9999.0],
        "top_logprobs": [
            {"Hi": -0.5, "Ho": -1.0},
            {" ": -0.1, "bytes:\\xf0\\x9f": -0.25},
            {"bytes:\\x9a\\xa2": -0.125},
            {"!": -9999.0},
        ],
        "text_offset": [0, 2, 2, 3],
    }
    (choice,) = json_of(await ask(provider, logprobs=2))["choices"]
    assert choice["logprobs"] == expected
    assert provider.requests[0].num_logprobs == 2
    chunks = (await chunks_of(await ask(provider, logprobs=2, stream=True)))[:-1]
    pieces = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert pieces[-1] is None
    assert {name: [x for piece in pieces[:-1] for x in piece[name]] for name in expected} == expected


async def test_an_answer_of_the_longest_kind_is_bounded_by_operator_and_context():
    provider = CountingScripted(context_length=20)
    assert (await ask(provider, prompt=list(range(12)), max_tokens=30)) is not None
    assert (await ask(provider, prompt="a b")) is not None
    assert [request.max_tokens for request in provider.requests] == [8, 16]
    provider = Scripted()
    await ask(provider, WireLimits(max_answer_tokens=4))
    assert provider.requests[0].max_tokens == 4
    assert (await refused(limits=WireLimits(max_answer_tokens=4), max_tokens=5)).param == "max_tokens"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_does_not_fit_is_refused_by_name(stream: bool):
    failure = await refused(provider=CountingScripted(context_length=20), prompt=["a", "b " * 20], stream=stream)
    assert (failure.param, failure.code) == ("prompt", "context_length_exceeded")
    failure = await refused(provider=Scripted((ContextTooLong("far too long"),)), stream=stream)
    assert (failure.param, failure.code) == ("prompt", "context_length_exceeded")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": []}, "prompt", "array_below_min_length"),
        ({"prompt": [[]]}, "prompt[0]", "array_below_min_length"),
        ({"prompt": [1, "a"]}, "prompt[1]", "invalid_type"),
        ({"prompt": [[1], 2]}, "prompt[1]", "invalid_type"),
        ({"prompt": [[1], ["a"]]}, "prompt[1][0]", "invalid_type"),
        ({"prompt": [-1]}, "prompt[0]", "integer_below_min_value"),
        ({"prompt": [1.5]}, "prompt[0]", "invalid_type"),
        ({"prompt": None}, "prompt", "invalid_type"),
        ({"prompt": {"a": 1}}, "prompt", "invalid_type"),
        ({"suffix": "the end"}, "suffix", "unsupported_parameter"),
        ({"best_of": 2}, "best_of", "unsupported_parameter"),
        ({"best_of": 1, "n": 2}, "best_of", "unsupported_parameter"),
        ({"echo": True, "prompt": [1]}, "echo", "unsupported_parameter"),
        ({"echo": True, "logprobs": 0}, "echo", "unsupported_parameter"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"messages": []}, "messages", "unsupported_parameter"),
        ({"n": 17}, "n", "integer_above_max_value"),
        ({"prompt": ["x"] * 257}, "prompt", "array_above_max_length"),
        ({"prompt": ["x"] * 17, "n": 16}, "prompt", "array_above_max_length"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], param: str, code: str):
    failure = await refused(**fields)
    assert (failure.param, failure.code) == (param, code)


async def test_best_of_is_taken_where_it_changes_nothing():
    provider = Scripted()
    assert len(json_of(await ask(provider, n=2, best_of=2))["choices"]) == 2
    assert len(json_of(await ask(provider, best_of=1, suffix=None, echo=None, logprobs=None))["choices"]) == 1
