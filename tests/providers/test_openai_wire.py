"""What goes over the wire, held against OpenAI's own published schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from seatrial.chat import ChatRequest, ImagePart, Message, Sampling, TextPart, Tool, ToolCall, VideoPart, message
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
EVERYTHING = replace(
    FULL,
    messages=(*FULL.messages, Message("user", (ImagePart(b"GIF", "image/gif", "low"),))),
    sampling=Sampling(0.5, 0.9, seed=3, frequency_penalty=0.5, presence_penalty=-0.5, logit_bias={7: -100.0, 8: 3.0}),
    tools=(Tool("look", "Looks.", CLOSED_SCHEMA, strict=True), Tool("ask", "Asks.", {"type": "object"})),
    named_tool="look",
    parallel_tool_calls=False,
    json_schema=None,
    json_object=True,
    num_logprobs=4,
)
PROMPT = ChatRequest((), prompt="Once upon", max_tokens=9, sampling=EVERYTHING.sampling, stop=("END",), num_logprobs=2)


def body_of(request: ChatRequest, dialect: Dialect = OPEN) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_request(request, "m", dialect))
    return body


def published(folder: Path, name: str) -> jsonschema.Draft202012Validator:
    document = json.loads((folder / "openai-openapi.json").read_text(encoding="utf-8"))
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema.Draft202012Validator(_without_nullable(schema))


@pytest.fixture(scope="module")
def published_schema(reference_data: Path) -> jsonschema.Draft202012Validator:
    return published(reference_data, "CreateChatCompletionRequest")


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
@pytest.mark.parametrize("request_", [FULL, EVERYTHING, ChatRequest((message("user", "hi"),))])
def test_a_request_is_one_that_openai_takes(
    published_schema: jsonschema.Draft202012Validator, request_: ChatRequest, dialect: Dialect
) -> None:
    assert [error.message for error in published_schema.iter_errors(body_of(request_, dialect))] == []


def test_the_published_schema_does_refuse(published_schema: jsonschema.Draft202012Validator) -> None:
    body = body_of(FULL)
    assert not published_schema.is_valid(body | {"messages": []})
    assert not published_schema.is_valid(body | {"temperature": 9})
    assert not published_schema.is_valid(body | {"response_format": {"type": "json_schema"}})


@pytest.mark.parametrize("dialect", [OPEN, HOSTED])
@pytest.mark.parametrize("prompt", ["Once upon", (5, 6, 7)])
def test_a_prompt_is_one_that_openai_takes(
    reference_data: Path, dialect: Dialect, prompt: str | tuple[int, ...]
) -> None:
    body = body_of(replace(PROMPT, prompt=prompt), dialect)
    errors = published(reference_data, "CreateCompletionRequest").iter_errors(body)
    assert [error.message for error in errors] == []
    assert body == {
        "model": "m",
        "prompt": list(prompt) if isinstance(prompt, tuple) else prompt,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "logit_bias": {"7": -100.0, "8": 3},
        "stop": ["END"],
        "logprobs": 2,
    }


def test_what_was_asked_goes_by_the_names_of_the_api() -> None:
    body = body_of(EVERYTHING)
    assert body["logit_bias"] == {"7": -100.0, "8": 3}
    assert (body["frequency_penalty"], body["presence_penalty"]) == (0.5, -0.5)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 4)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert body["parallel_tool_calls"] is False
    assert body["response_format"] == {"type": "json_object"}
    assert [tool["function"].get("strict") for tool in body["tools"]] == [True, None]
    assert body["messages"][-1]["content"][0]["image_url"]["detail"] == "low"
    assert "detail" not in body["messages"][1]["content"][1]["image_url"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, None),
        ({"tool_choice": "required"}, "required"),
        ({"tool_choice": "none"}, "none"),
        ({"tool_choice": "none", "tools": ()}, None),
        ({"tool_choice": "required", "tools": ()}, "required"),
    ],
)
def test_the_choice_of_tools(changes: dict[str, Any], found: str | None) -> None:
    body = body_of(replace(FULL, **changes))
    assert body.get("tool_choice") == found
    assert "parallel_tool_calls" not in body


def test_a_bias_that_is_no_whole_number_is_sent_as_it_is() -> None:
    body = body_of(replace(FULL, sampling=Sampling(logit_bias={7: 2.5})))
    assert body["logit_bias"] == {"7": 2.5}


def test_logprobs_of_the_chosen_tokens_alone() -> None:
    body = body_of(replace(FULL, num_logprobs=0))
    assert body["logprobs"] is True
    assert "top_logprobs" not in body
    assert body_of(replace(PROMPT, num_logprobs=0))["logprobs"] == 0


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
    sampling = Sampling(0.0, top_k=5, min_p=0.1, repetition_penalty=1.2, ignore_eos=True)
    asked = ChatRequest((message("user", "hi"),), sampling=sampling, thinking=False, template_variables={"date": "now"})
    body = body_of(asked)
    assert (body["top_k"], body["temperature"], body["min_p"]) == (5, 0.0, 0.1)
    assert (body["repetition_penalty"], body["ignore_eos"]) == (1.2, True)
    assert body["chat_template_kwargs"] == {"enable_thinking": False, "date": "now"}
    assert body_of(replace(asked, thinking=None))["chat_template_kwargs"] == {"date": "now"}


@pytest.mark.parametrize(
    ("request_", "dialect", "names"),
    [
        (ChatRequest((), sampling=Sampling(temperature=0.0)), REASONING, "`temperature`"),
        (ChatRequest((), sampling=Sampling(0.0, 0.5)), REASONING, "`temperature` and `top_p`"),
        (ChatRequest((), thinking=True), HOSTED, "`thinking`"),
        (ChatRequest((), sampling=Sampling(top_k=4)), HOSTED, "`top_k`"),
        (ChatRequest((), sampling=Sampling(min_p=0.1)), HOSTED, "`min_p`"),
        (ChatRequest((), sampling=Sampling(repetition_penalty=1.0)), HOSTED, "`repetition_penalty`"),
        (ChatRequest((), sampling=Sampling(ignore_eos=True)), HOSTED, "`ignore_eos`"),
        (ChatRequest((), template_variables={"a": 1}), HOSTED, "`chat_template_kwargs`"),
        (ChatRequest((), num_logprobs=0), Dialect(refuses=frozenset({"logprobs"})), "`logprobs`"),
        (ChatRequest((), json_object=True), Dialect(refuses=frozenset({"response_format"})), "`response_format`"),
        (ChatRequest((), thinking_tokens=5), OPEN, "`thinking_tokens`"),
        (replace(PROMPT, tools=FULL.tools), OPEN, "`tools` .* beside a prompt"),
        (replace(PROMPT, json_object=True), OPEN, "`response_format`"),
        (replace(PROMPT, thinking=True), OPEN, "`thinking`"),
        (replace(PROMPT, reasoning_effort="low"), OPEN, "`reasoning_effort`"),
        (replace(PROMPT, messages=FULL.messages), OPEN, "`messages`"),
    ],
)
def test_what_the_model_does_not_take_is_refused_by_name(request_: ChatRequest, dialect: Dialect, names: str) -> None:
    with pytest.raises(RequestRejected, match=names) as caught:
        encode_request(request_, "m", dialect)
    assert caught.value.code == "unsupported_parameter"
    assert caught.value.status is None
    assert caught.value.param in names or caught.value.param == "chat_template_kwargs"


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


def test_a_model_that_reads_text_alone_is_shown_no_picture() -> None:
    blind = Dialect(refuses=frozenset({"image_url"}))
    with pytest.raises(RequestRejected, match=r"`m` reads text only.*`smolvlm2-256m`") as refused:
        body_of(ChatRequest((Message("user", (ImagePart(b"GIF", "image/gif"),)),)), blind)
    assert refused.value.param == "messages"
    assert body_of(ChatRequest((message("user", "Hi"),)), blind)["messages"]


def test_a_video_is_refused_by_name_and_never_left_out(tmp_path: Path) -> None:
    request = ChatRequest((Message("user", (VideoPart(tmp_path / "film.mp4"), TextPart("What happens?"))),))
    with pytest.raises(
        RequestRejected, match=r"`m` .* takes no videos\. Send frames of it .* `smolvlm2-256m`"
    ) as caught:
        encode_request(request, "m", Dialect())
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "messages[0].content[0]")
