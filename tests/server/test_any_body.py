"""Whatever comes as a body, the answer is a reply or an error of the client's: never a fault of ours."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from drawn_pictures import data_url, picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import CountingScripted, bytes_of, clock, counted_ids, data_values, models_of, post

from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.completions import completion_routes
from seatrial.server.errors import Failure, body
from seatrial.server.http import Reply, Streamed

PLENTY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": data_url(picture()), "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "x", "tool_call_id": "c"},
    ],
    "n": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop": ["a"],
    "logit_bias": {"1": 1},
    "logprobs": True,
    "top_logprobs": 1,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "chat_template_kwargs": {"enable_thinking": True},
    "metadata": {"a": "b"},
    "seed": 1,
    "temperature": 1,
    "max_tokens": 5,
    "prediction": {},
    "modalities": ["text"],
}
COMPLETION: dict[str, Any] = {
    "model": "m",
    "prompt": ["a", "b"],
    "n": 2,
    "best_of": 2,
    "echo": False,
    "logprobs": 1,
    "suffix": None,
    "stream": False,
    "stop": "x",
    "logit_bias": {"5": -1},
    "max_tokens": 3,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a value."""
    found = [path]
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn, sound: dict[str, Any]) -> bytes:
    """A sound body with one to three values replaced, taken out, or joined by a stranger."""
    whole = {"": copy.deepcopy(sound)}
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(whole)[1:]))
        parent: Any = whole
        for step in path[:-1]:
            parent = parent[step]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[path[-1]] = draw(VALUES)
            case "remove":
                del parent[path[-1]]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = draw(VALUES)
        if "" not in whole:
            break
    return json.dumps(whole.get("")).encode()


@pytest.fixture(scope="module", autouse=True)
def _loop() -> Iterator[None]:
    """One event loop for all examples: a fresh one for each costs more than the example."""
    global runner
    with asyncio.Runner() as runner:
        yield


runner: asyncio.Runner


def answer(path: str, sent: bytes) -> Reply | Streamed | Failure:
    """The outcome, read to its end."""
    kwargs: Any = {"clock": clock, "new_id": counted_ids()}
    models = models_of(CountingScripted())
    routes = (*chat_routes(models, **kwargs), *completion_routes(models, **kwargs))
    endpoint = next(route.endpoint for route in routes if route.path == path)

    async def ask() -> Reply | Streamed | Failure:
        try:
            reply = await endpoint(post(path, sent))
        except Failure as failure:
            return failure
        if isinstance(reply, Streamed):
            *_, last = data_values(await bytes_of(reply))
            assert last == "[DONE]"
        else:
            assert json.loads(reply.body)["choices"]
        return reply

    outcome = runner.run(ask())
    assert models.num_in_use == 0
    return outcome


def check(outcome: Reply | Streamed | Failure) -> None:
    if isinstance(outcome, Failure):
        assert outcome.status in (400, 404)
        assert outcome.message
        assert outcome.code
        error = json.loads(body(outcome))["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert len(outcome.message) < 1000


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
class TestAnyBody:
    @PLENTY
    @given(sent=st.binary(max_size=200))
    def test_bytes(self, path: str, sent: bytes):
        assert isinstance(answer(path, sent), Failure)

    @PLENTY
    @given(value=VALUES)
    def test_json(self, path: str, value: Any):
        check(answer(path, json.dumps(value).encode()))


@PLENTY
@given(sent=damaged(CHAT))
def test_damaged_chat_bodies(sent: bytes):
    check(answer("/v1/chat/completions", sent))


@PLENTY
@given(sent=damaged(COMPLETION))
def test_damaged_completion_bodies(sent: bytes):
    check(answer("/v1/completions", sent))


def test_the_bodies_that_are_damaged_are_sound_before():
    for path, sound in (("/v1/chat/completions", CHAT), ("/v1/completions", COMPLETION)):
        assert not isinstance(answer(path, json.dumps(sound).encode()), Failure)


@PLENTY
@given(data=st.data())
def test_any_single_field_of_any_type(data: st.DataObject):
    field = data.draw(st.sampled_from([*CHAT, "reasoning_effort", "user", "store", "service_tier", "top_p", "min_p"]))
    plain = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    check(answer("/v1/chat/completions", json.dumps(plain | {field: data.draw(VALUES)}).encode()))
