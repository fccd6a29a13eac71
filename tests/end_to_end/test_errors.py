"""Errors as the official client raises them, and what it does about those that pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from gateway import MODEL as STAND_IN
from gateway import TIMEOUT_S, Gateway
from stand_in import answer, chunks, delta, hang, in_turn, openai_error, refusal, reset

MODEL = "smollm2-135m"
Connect = Callable[..., openai.OpenAI]


def says(text: str) -> Any:
    return [{"role": "user", "content": text}]


def ask(client: openai.OpenAI, text: str, **options: Any) -> Any:
    return client.chat.completions.create(model=STAND_IN, messages=says(text), **options)


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="gpt-1", messages=says("Hi"))
    assert error.value.code == "model_not_found"
    assert "gpt-1" in error.value.message


def test_an_unknown_endpoint(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.files.list()
    assert error.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("field", "code", "param"),
    [
        ({"temperature": "warm"}, "invalid_type", "temperature"),
        ({"temperature": 3}, "decimal_above_max_value", "temperature"),
        ({"colour": "red"}, "unsupported_parameter", "colour"),
        ({"web_search_options": {}}, "unsupported_parameter", "web_search_options"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"logprobs": False, "top_logprobs": 3}, "invalid_value", "top_logprobs"),
    ],
)
def test_a_bad_field(client: openai.OpenAI, field: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=MODEL, messages=says("Hi"), extra_body=field)
    assert (error.value.code, error.value.param) == (code, param)


def test_a_schema_that_cannot_be_followed(client: openai.OpenAI) -> None:
    schema: Any = {"name": "s", "strict": True, "schema": {"type": "no such type"}}
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            model=MODEL, messages=says("Hi"), response_format={"type": "json_schema", "json_schema": schema}
        )
    assert error.value.code == "invalid_json_schema"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_beyond_the_context(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=MODEL, messages=says("word " * 9000), max_tokens=5, stream=stream)
    assert error.value.code == "context_length_exceeded"
    assert error.value.param == "messages"


@pytest.mark.parametrize("key", ["none", "sk-seatrial-0000"])
def test_a_wrong_key(gateway: Gateway, connect: Connect, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as error:
        ask(connect(gateway.server.url, api_key=key), "Hi")
    assert error.value.code == "invalid_api_key"


def test_the_rate_limit_of_a_key(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway.server.url, api_key=gateway.limited_key)
    raw = client.chat.completions.with_raw_response.create(model=STAND_IN, messages=says("first"))
    assert raw.headers["x-ratelimit-limit-requests"] == "2"
    assert raw.headers["x-ratelimit-remaining-requests"] == "1"
    ask(client, "second")
    with pytest.raises(openai.RateLimitError) as error:
        ask(client, "third")
    assert error.value.code == "rate_limit_exceeded"
    assert 0 < int(error.value.response.headers["retry-after"]) <= 30
    assert 0 < int(error.value.response.headers["retry-after-ms"]) <= 30_000


def test_a_proxied_answer(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway.server.url, api_key=gateway.key)
    assert ask(client, "ping").choices[0].message.content == "You said ping."
    with ask(client, "pong", stream=True) as stream:
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert said == "You said pong."


def test_the_client_asks_again_when_it_is_told_to(gateway: Gateway, connect: Connect, recorder: Any) -> None:
    busy = refusal(429, openai_error("Slow down.", "requests", "rate_limit_exceeded"), retry_after_ms="40")
    gateway.scripts["busy twice"] = in_turn(busy, busy, answer("At last."))
    start = time.monotonic()
    reply = ask(connect(gateway.server.url, api_key=gateway.key, max_retries=2), "busy twice")
    assert reply.choices[0].message.content == "At last."
    assert [status for _, status in recorder.attempts] == [429, 429, 200]
    assert gateway.num_asked["busy twice"] == 3
    assert time.monotonic() - start >= 0.08


def test_the_client_does_not_ask_again_when_it_is_told_not_to(
    gateway: Gateway, connect: Connect, recorder: Any
) -> None:
    quota = openai_error("You are out of money.", "insufficient_quota", "insufficient_quota")
    gateway.scripts["broke"] = in_turn(refusal(429, quota, x_should_retry="false"))
    with pytest.raises(openai.RateLimitError) as error:
        ask(connect(gateway.server.url, api_key=gateway.key, max_retries=2), "broke")
    assert (error.value.code, error.value.type) == ("insufficient_quota", "insufficient_quota")
    assert error.value.message.endswith("'You are out of money.'" if "'" in error.value.message else "money.")
    assert len(recorder.attempts) == 1
    assert gateway.num_asked["broke"] == 1


@pytest.mark.parametrize("status", [500, 503])
def test_an_upstream_that_fails(gateway: Gateway, connect: Connect, status: int) -> None:
    gateway.scripts[f"fail {status}"] = in_turn(refusal(status, openai_error("Broken.", "server_error", "broken")))
    with pytest.raises(openai.InternalServerError) as error:
        ask(connect(gateway.server.url, api_key=gateway.key), f"fail {status}")
    assert (error.value.status_code, error.value.type, error.value.code) == (status, "server_error", "broken")


def test_an_upstream_that_resets_the_connection(gateway: Gateway, connect: Connect) -> None:
    gateway.scripts["reset"] = in_turn(reset)
    with pytest.raises(openai.InternalServerError):
        ask(connect(gateway.server.url, api_key=gateway.key), "reset")


def test_an_upstream_that_fails_in_mid_stream(gateway: Gateway, connect: Connect) -> None:
    pieces = [delta(role="assistant", content=""), delta(content="Hel")]
    gateway.scripts["cut"] = in_turn(chunks(pieces, then="cut"))
    stream = iter(ask(connect(gateway.server.url, api_key=gateway.key), "cut", stream=True))
    received = ""
    while received != "Hel":
        received += next(stream).choices[0].delta.content or ""
    with pytest.raises(openai.APIError):
        next(stream)


def test_an_upstream_that_says_nothing(gateway: Gateway, connect: Connect) -> None:
    gateway.scripts["hang"] = in_turn(hang)
    start = time.monotonic()
    with pytest.raises(openai.InternalServerError) as error:
        ask(connect(gateway.server.url, api_key=gateway.key), "hang")
    assert error.value.status_code == 504
    assert error.value.code == "timeout"
    assert TIMEOUT_S * 0.9 < time.monotonic() - start < TIMEOUT_S + 3


def test_a_client_that_does_not_wait(gateway: Gateway, connect: Connect) -> None:
    gateway.scripts["too slow"] = in_turn(hang)
    before = gateway.stand_in.num_abandoned
    with pytest.raises(openai.APITimeoutError):
        ask(connect(gateway.server.url, api_key=gateway.key, timeout=0.2), "too slow")
    waited_s = gateway.server.seconds_until(lambda: gateway.stand_in.num_abandoned > before)
    assert waited_s < TIMEOUT_S - 0.3  # it was the client's leaving that ended it


def test_nobody_there(connect: Connect) -> None:
    with pytest.raises(openai.APIConnectionError):
        connect("http://127.0.0.1:9").models.list()
