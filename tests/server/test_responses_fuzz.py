"""Whatever comes as a body, the answer is a response or an error of the client's: never a fault of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from drawn_pictures import data_url, picture
from hypothesis import given
from hypothesis import strategies as st
from responses_client import ResponsesClient
from scripted import CountingScripted, bytes_of
from test_any_body import PLENTY, VALUES, damaged

from seatrial.server.errors import Failure, failure_of
from seatrial.server.http import Reply, Streamed

CREATE: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "developer", "content": "s"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "t"},
                {"type": "input_image", "image_url": data_url(picture()), "detail": "low"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "content": None},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ],
    "instructions": "Be brief.",
    "max_output_tokens": 5,
    "temperature": 1,
    "top_p": 0.5,
    "top_logprobs": 1,
    "include": ["message.output_text.logprobs"],
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}, "verbosity": "low"},
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "reasoning": {"effort": "low", "summary": "auto"},
    "metadata": {"a": "b"},
    "truncation": "auto",
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "user": "u",
}
COUNTED = ("model", "input", "instructions", "text", "tools", "tool_choice", "reasoning", "truncation")
FIELDS = [*CREATE, "background", "store", "previous_response_id", "conversation", "prompt", "service_tier"]


@pytest.fixture(scope="module", autouse=True)
def _loop() -> Iterator[None]:
    """One event loop for all examples: a fresh one for each costs more than the example."""
    global runner
    with asyncio.Runner() as runner:
        yield


runner: asyncio.Runner


def answer(path: str, sent: bytes) -> Reply | Streamed | Failure:
    """The outcome, read to its end; what is not the client's fault rises."""
    client = ResponsesClient(CountingScripted(), lambda schema, value: None)

    async def ask() -> Reply | Streamed | Failure:
        try:
            reply = await client.send("POST", path, sent)
            if isinstance(reply, Streamed):
                last = client.events(await bytes_of(reply))[-1]
                assert last["type"] == "response.completed"
            elif path == "/v1/responses":
                client.response(reply)
            else:
                assert json.loads(reply.body)["input_tokens"] >= 0
        except Failure as error:
            failure = failure_of(error)
            assert failure.status in (400, 404)
            assert 0 < len(failure.message) < 1000
            return failure
        return reply

    outcome = runner.run(ask())
    runner.run(asyncio.sleep(0))
    return outcome


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/input_tokens"])
class TestAnyBody:
    def test_the_body_that_is_damaged_is_sound_before(self, path: str) -> None:
        sound = CREATE if path == "/v1/responses" else {name: CREATE[name] for name in COUNTED}
        assert not isinstance(answer(path, json.dumps(sound).encode()), Failure)

    @PLENTY
    @given(sent=st.binary(max_size=200))
    def test_bytes(self, path: str, sent: bytes) -> None:
        assert isinstance(answer(path, sent), Failure)

    @PLENTY
    @given(value=VALUES)
    def test_json(self, path: str, value: Any) -> None:
        assert isinstance(answer(path, json.dumps(value).encode()), Failure)

    @PLENTY
    @given(sent=damaged(CREATE))
    def test_damaged_bodies(self, path: str, sent: bytes) -> None:
        answer(path, sent)

    @PLENTY
    @given(data=st.data())
    def test_any_single_field_of_any_type(self, path: str, data: st.DataObject) -> None:
        field = data.draw(st.sampled_from(FIELDS))
        answer(path, json.dumps({"model": "m", "input": "x", field: data.draw(VALUES)}).encode())
