"""What goes over the wire, held against OpenAI's own published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from seatrial.chat import ChatRequest, ImagePart, Message, Sampling, TextPart, Tool, ToolCall, message
from seatrial.errors import RequestRejected
from seatrial.providers.openai_wire import HOSTED_REFUSES, Dialect, encode_request

OPEN = Dialect()
HOSTED = Dialect("max_completion_tokens", HOSTED_REFUSES)
REASONING = Dialect("max_completion_tokens", HOSTED_REFUSES | {"temperature", "top_p"})
CLOSED_SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
FULL = ChatRequest(
    messages=(
        message("system", "Be brief."),
        Message("user", (TextPart("What is this?"), ImagePart(b"\x89PNG", "image/png"))),
        Message("assistant", (), tool_calls=(ToolCall("c1", "look", '{"at": 1}'),)),
        Message("tool", (TextPart("a boat"),), tool_call_id="c1"),
        message("assistant", "A boat."),
        message("user", "Sure?"),
    ),
    max_tokens=50,
    sampling=Sampling(temperature=0.5, top_p=0.9, seed=3),
    stop=("END",),
    tools=(Tool("look", "Looks.", {"type": "object", "properties": {}}),),
    json_schema=CLOSED_SCHEMA,
    reasoning_effort="low",
)


def body_of(request: ChatRequest, dialect: Dialect = OPEN) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_request(request, "m", dialect))
    return body


@pytest.fixture(scope="module")
def published_schema(reference_data: Path) -> jsonschema.Draft202012Validator:
    document = json.loads((reference_data / "openai-openapi.json").read_text(encoding="utf-8"))
    schema = {"$ref": "#/components/schemas/CreateChatCompletionRequest", "components": document["components"]}
    return jsonschema.Draft202012Validator(_without_nullable(schema))


def _without_nullable(value: Any) -> Any:
    """OpenAPI 3.0's `nullable: true` as JSON schema says it."""
    if isinstance(value, list):
        return [_without_nullable(one) for one in value]
    if not isinstance(value, dict):
        return value
    converted = {key: _without_nullable(one) for key, one in value.items() if key != "nullable"}
    if value.get("nullable") is True:
        return {"anyOf": [converted, {"type": "null"}]}
    return converted


@pytest.mark.parametrize("dialect", [OPEN, HOSTED])
@pytest.mark.parametrize("request_", [FULL, ChatRequest((message("user", "hi"),))])
def test_a_request_is_one_that_openai_takes(
    published_schema: jsonschema.Draft202012Validator, request_: ChatRequest, dialect: Dialect
) -> None:
    assert [error.message for error in published_schema.iter_errors(body_of(request_, dialect))] == []


def test_the_published_schema_does_refuse(published_schema: jsonschema.Draft202012Validator) -> None:
    body = body_of(FULL)
    assert not published_schema.is_valid(body | {"messages": []})
    assert not published_schema.is_valid(body | {"temperature": 9})
    assert not published_schema.is_valid(body | {"response_format": {"type": "json_schema"}})


def test_a_stream_with_usage_is_asked_for() -> None:
    body = body_of(ChatRequest((message("user", "hi"),)))
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_the_token_limit_goes_by_the_servers_name() -> None:
    request = ChatRequest((message("user", "hi"),), max_tokens=9)
    assert body_of(request)["max_tokens"] == 9
    assert body_of(request, REASONING)["max_completion_tokens"] == 9
    assert "max_tokens" not in body_of(request, REASONING)


def test_open_servers_get_the_extensions() -> None:
    body = body_of(ChatRequest((message("user", "hi"),), sampling=Sampling(0.0, top_k=5), thinking=False))
    assert (body["top_k"], body["temperature"]) == (5, 0.0)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("request_", "dialect", "names"),
    [
        (ChatRequest((), sampling=Sampling(temperature=0.0)), REASONING, "`temperature`"),
        (ChatRequest((), sampling=Sampling(0.0, 0.5)), REASONING, "`temperature` and `top_p`"),
        (ChatRequest((), thinking=True), HOSTED, "`thinking`"),
        (ChatRequest((), sampling=Sampling(top_k=4)), HOSTED, "`top_k`"),
    ],
)
def test_what_the_model_does_not_take_is_refused_by_name(request_: ChatRequest, dialect: Dialect, names: str) -> None:
    with pytest.raises(RequestRejected, match=names) as caught:
        encode_request(request_, "m", dialect)
    assert caught.value.code == "unsupported_parameter"
    assert caught.value.status is None
    assert caught.value.param in names.replace("thinking", "chat_template_kwargs")


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED_SCHEMA, True),
        ({**CLOSED_SCHEMA, "additionalProperties": True}, False),
        ({**CLOSED_SCHEMA, "required": []}, False),
        ({**CLOSED_SCHEMA, "properties": {"a": {"type": "array", "items": {"type": "object"}}}}, False),
        ({**CLOSED_SCHEMA, "properties": {"a": CLOSED_SCHEMA}}, True),
    ],
)
def test_strict_only_where_openai_takes_it(schema: dict[str, Any], strict: bool) -> None:
    named = body_of(ChatRequest((message("user", "hi"),), json_schema=schema))["response_format"]["json_schema"]
    assert (named["schema"], named["strict"]) == (schema, strict)
