"""The document, the pages, and that what the document says is what the server does."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from documented import DOCUMENT, all_routes, operations
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from scripted import (
    USAGE,
    EmbeddingScripted,
    Scripted,
    chunks_of,
    json_of,
    models_of,
    post,
    says,
)

from seatrial.chat import Finished, ReasoningDelta, TextDelta, TokenScore, ToolCallDelta
from seatrial.errors import BadReply
from seatrial.server import errors
from seatrial.server.endpoints.embeddings import EmbeddingsBody
from seatrial.server.errors import Failure
from seatrial.server.http import Call
from seatrial.server.openapi.fields import stale
from seatrial.server.openapi.schemas import references
from seatrial.server.wire.chat import ChatBody
from seatrial.server.wire.chat_listing import ChatUpdate
from seatrial.server.wire.completions import CompletionBody
from seatrial.server.wire.responses_body import CreateBody, PromptFields

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
URI = "urn:seatrial"
REGISTRY: Registry[Any] = Registry().with_resource(
    URI, Resource.from_contents({"components": {"schemas": SCHEMAS}}, default_specification=DRAFT202012)
)
BODIES: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (ChatBody, ChatUpdate, CompletionBody, CreateBody, PromptFields, EmbeddingsBody)
}
SCORES = (TokenScore("Hi", b"Hi", -0.1, (TokenScore("Hi", b"Hi", -0.1), TokenScore("Ho", b"Ho", -2.5))),)
EVENTS = (
    ReasoningDelta("Hm."),
    TextDelta("Hi", SCORES),
    ToolCallDelta(0, "call_1", "look", ""),
    ToolCallDelta(0, arguments='{"at": 1}'),
    Finished("tool_calls", USAGE),
)
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def check(schema: Any, value: Any) -> None:
    """Fails with the place and the reason where a value is not of a schema of the document."""
    pointed = json.loads(json.dumps(schema).replace('"#/', f'"{URI}#/'))
    validator = Draft202012Validator(pointed, registry=REGISTRY)
    problems = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]
    assert problems == []


def fits(name: str, value: Any) -> bool:
    """Whether a value is of a named schema."""
    return Draft202012Validator({"$ref": f"{URI}#/components/schemas/{name}"}, registry=REGISTRY).is_valid(value)


def reply_content(method: str, path: str, media_type: str) -> Any:
    return DOCUMENT["paths"][path][method.lower()]["responses"]["200"]["content"][media_type]


def reply_schema(method: str, path: str, media_type: str = "application/json") -> Any:
    """The schema of a reply, or of what one event of a stream holds."""
    content = reply_content(method, path, media_type)
    data = content["schema"].get("properties", {}).get("data", {})
    return (data.get("anyOf") or [data])[-1].get("contentSchema", content["schema"])


def test_the_document_is_valid_openapi() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(DOCUMENT)


def test_the_document_has_every_path_of_the_server_and_no_other() -> None:
    routes = all_routes(models_of())
    assert {(method, path) for method, path, _ in operations()} == routes.keys() - {("GET", "/assets/{name}")}


def test_what_is_open_is_said_to_be() -> None:
    routes = all_routes(models_of())
    for method, path, operation in operations():
        if path != "/metrics":
            assert routes[method, path].is_open == (operation.get("security") == []), path


def test_every_component_is_used_and_every_reference_leads_to_one() -> None:
    used = set(references(DOCUMENT["paths"])) | set(references(DOCUMENT["components"]))
    of_others = {name for name in used if name.startswith("#")}
    assert used - of_others == SCHEMAS.keys()
    for reference in of_others:
        _, _, kind, name = reference.split("/")
        assert name in DOCUMENT["components"][kind]


def test_every_field_of_a_request_is_described_and_no_description_is_left_over() -> None:
    known = {
        name
        for component, schema in SCHEMAS.items()
        for field in schema.get("properties", {})
        for name in (field, f"{component}.{field}")
    }
    assert stale(known) == set()
    lacking = [
        f"{body}.{field}"
        for body in BODIES
        for field, schema in SCHEMAS[body]["properties"].items()
        if not schema.get("description")
    ]
    assert lacking == []


def test_names_of_components_are_short_and_say_nothing_of_where_they_come_from() -> None:
    assert [name for name in SCHEMAS if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_examples_hold_to_their_schemas_and_are_decoded() -> None:
    kinds = {f"#/components/schemas/{name}": kind for name, kind in BODIES.items()}
    examples = 0
    for _, _, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            check(content["schema"], content["example"])
            msgspec.convert(content["example"], kinds[content["schema"]["$ref"]])
            examples += 1
        for parameter in operation.get("parameters", ()):
            check(parameter["schema"], parameter["example"])
    assert examples == 6


MESSAGE = {"role": "user", "content": "Hi"}
VIDEO = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}
VALID: dict[str, dict[str, Any]] = {
    "ChatBody": {"model": "m", "messages": [MESSAGE]},
    "ChatUpdate": {"metadata": None},
    "CompletionBody": {"model": "m", "prompt": "Hi"},
    "CreateBody": {"model": "m", "input": "Hi"},
    "PromptFields": {"model": "m", "input": "Hi"},
    "EmbeddingsBody": {"model": "m", "input": "Hi"},
}
CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("ChatBody", {"messages": [MESSAGE]}, True),
    ("ChatBody", {"messages": []}, False),
    ("ChatBody", {}, False),
    ("ChatBody", {"messages": [MESSAGE], "temperature": 2.1}, False),
    ("ChatBody", {"messages": [MESSAGE], "temperature": None, "top_p": 1, "n": 128}, True),
    ("ChatBody", {"messages": [MESSAGE], "n": 0}, False),
    ("ChatBody", {"messages": [MESSAGE], "stop": ["a", "b", "c", "d"]}, True),
    ("ChatBody", {"messages": [MESSAGE], "stop": ["a", "b", "c", "d", "e"]}, False),
    ("ChatBody", {"messages": [MESSAGE], "top_logprobs": 21}, False),
    ("ChatBody", {"messages": [MESSAGE], "reasoning_effort": "huge"}, False),
    ("ChatBody", {"messages": [MESSAGE], "what_is_this": 1}, False),
    ("ChatBody", {"messages": [{"role": "nobody", "content": "Hi"}]}, False),
    ("ChatBody", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}, True),
    ("ChatBody", {"messages": [{"role": "user", "content": [{"type": "sound"}]}]}, False),
    ("ChatBody", {"messages": [{"role": "user", "content": [VIDEO]}]}, True),
    ("ChatBody", {"messages": [{"role": "user", "content": [VIDEO | {"detail": "low"}]}]}, False),
    ("ChatBody", {"messages": [{"role": "system", "content": [VIDEO]}]}, False),
    ("CreateBody", {"input": [{"role": "user", "content": [VIDEO]}]}, True),
    ("CreateBody", {"input": [{"role": "user", "content": [{"type": "video_url", "video_url": "data:"}]}]}, False),
    ("ChatBody", {"messages": [MESSAGE], "response_format": {"type": "json_object"}}, True),
    ("ChatBody", {"messages": [MESSAGE], "response_format": {"type": "json_schema"}}, False),
    ("ChatBody", {"messages": [MESSAGE], "tools": TOOLS, "tool_choice": "required"}, True),
    ("ChatBody", {"messages": [MESSAGE], "tools": TOOLS, "tool_choice": "perhaps"}, False),
    ("ChatBody", {"messages": [MESSAGE], "metadata": {"a": "b" * 513}}, False),
    ("ChatBody", {"messages": [MESSAGE], "logit_bias": {"5": 101}}, False),
    ("ChatBody", {"messages": [MESSAGE], "logit_bias": {"0": -100, "50256": 1.5}}, True),
    ("CompletionBody", {"prompt": "Hi", "logit_bias": {"the": 1}}, False),
    ("CompletionBody", {"prompt": "Hi"}, True),
    ("CompletionBody", {"prompt": [1, 2]}, True),
    ("CompletionBody", {"prompt": [[1], [2]]}, True),
    ("CompletionBody", {"prompt": []}, False),
    ("CompletionBody", {"prompt": [-1]}, False),
    ("CompletionBody", {"prompt": "Hi", "logprobs": 6}, False),
    ("CreateBody", {"input": "Hi"}, True),
    ("CreateBody", {"input": [MESSAGE]}, True),
    ("CreateBody", {"input": 5}, False),
    ("CreateBody", {"input": "Hi", "text": {"format": {"type": "yaml"}}}, False),
    ("CreateBody", {"input": "Hi", "max_output_tokens": 0}, False),
    ("EmbeddingsBody", {"input": ["a", "b"]}, True),
    ("EmbeddingsBody", {"input": []}, False),
    ("EmbeddingsBody", {"input": "a", "encoding_format": "hex"}, False),
]


@pytest.mark.parametrize(("name", "body", "is_good"), CASES)
def test_schema_and_decoder_agree(name: str, body: dict[str, Any], is_good: bool) -> None:
    body = {"model": "m", **body}
    assert fits(name, body) == is_good
    if is_good:
        msgspec.json.decode(json.dumps(body), type=BODIES[name])
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(body), type=BODIES[name])


# JSON Schema counts 1.0 among the integers; nobody sends it as one.
FRACTIONS = st.floats(-3, 3).filter(lambda value: not value.is_integer())
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | FRACTIONS | st.sampled_from(["", "a", "auto", "low"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "a"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_the_schema_takes_the_decoder_takes_whatever_a_field_holds(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(BODIES)))
    field = data.draw(st.sampled_from(sorted(SCHEMAS[name]["properties"])))
    body = {**VALID[name], field: data.draw(JSON_VALUES)}
    if fits(name, body):
        msgspec.json.decode(json.dumps(body), type=BODIES[name])


PATHS = {"ChatBody": "/v1/chat/completions", "CompletionBody": "/v1/completions", "CreateBody": "/v1/responses"}
REFUSED = [
    (name, field)
    for name in PATHS
    for field, schema in SCHEMAS[name]["properties"].items()
    if schema.get("description", "").startswith("Not supported")
]


@pytest.mark.parametrize(("name", "field"), REFUSED)
async def test_what_is_said_to_be_not_supported_is_refused_by_name(name: str, field: str) -> None:
    body = VALID[name] | {field: "x"}
    assert not fits(name, body)
    with pytest.raises(Failure) as caught:
        await all_routes(models_of())["POST", PATHS[name]].endpoint(post(PATHS[name], body))
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_parameter", field)
    check({"$ref": "#/components/schemas/Error"}, json.loads(errors.body(caught.value)))


def test_something_is_said_to_be_not_supported() -> None:
    assert {name for name, _ in REFUSED} == set(PATHS)


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": [MESSAGE]}),
    ("/v1/chat/completions", {"messages": [MESSAGE], "n": 2, "tools": TOOLS, "metadata": {"a": "b"}}),
    ("/v1/chat/completions", {"messages": [MESSAGE], "logprobs": True, "top_logprobs": 2}),
    ("/v1/completions", {"prompt": ["a", "b"], "n": 2}),
    ("/v1/completions", {"prompt": "a", "logprobs": 2}),
    ("/v1/responses", {"input": "Hi"}),
    ("/v1/responses", {"input": "Hi", "tools": [{"type": "function", "name": "look"}], "user": "u", "top_logprobs": 2}),
    ("/v1/responses", {"input": "Hi", "include": ["message.output_text.logprobs"]}),
]


@pytest.mark.parametrize("script", [says("Hello there"), EVENTS, says("cut", reason="length", usage=None)])
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request[0])
async def test_replies_and_streams_hold_to_the_document(request_: tuple[str, dict[str, Any]], script: Any) -> None:
    path, body = request_
    routes = all_routes(models_of(Scripted(script)))
    endpoint = routes["POST", path].endpoint
    check(reply_schema("POST", path), json_of(await endpoint(post(path, {"model": "m", **body}))))
    options = {} if path == "/v1/responses" else {"stream_options": {"include_usage": True}}
    event = reply_schema("POST", path, "text/event-stream")
    for streamed in ({"stream": True}, {"stream": True, **options}):
        chunks = await chunks_of(await endpoint(post(path, {"model": "m", **body, **streamed})))
        assert len(chunks) > 2
        data = reply_content("POST", path, "text/event-stream")["schema"]["properties"]["data"]
        check(data, "[DONE]" if chunks[-1] == "[DONE]" else json.dumps(chunks[-1]))
        assert ("anyOf" in data) == (chunks[-1] == "[DONE]")
        for chunk in chunks:
            if chunk != "[DONE]":
                check(event, chunk)


async def test_a_response_that_breaks_off_holds_to_the_document() -> None:
    routes = all_routes(models_of(Scripted((TextDelta("Half"), BadReply("It broke.")))))
    path = "/v1/responses"
    reply = await routes["POST", path].endpoint(post(path, {"model": "m", "stream": True, "input": "Hi"}))
    chunks = await chunks_of(reply)
    assert chunks[-1]["type"] == "response.failed"
    for chunk in chunks:
        check(reply_schema("POST", path, "text/event-stream"), chunk)


async def test_the_other_replies_hold_to_the_document() -> None:
    routes = all_routes(models_of(EmbeddingScripted()))
    created = json_of(
        await routes["POST", "/v1/responses"].endpoint(post("/v1/responses", {"model": "m", "input": "Hi"}))
    )
    values = {"response_id": created["id"], "id": "gpt-5-mini"}
    asked = {"model": "m", "messages": [MESSAGE], "store": True}
    stored = json_of(await routes["POST", "/v1/chat/completions"].endpoint(post("/v1/chat/completions", asked)))
    one = "/v1/chat/completions/{completion_id}"
    values["completion_id"] = stored["id"]
    change = Call("POST", one, "r", b'{"metadata": {"a": "b"}}', path_values=values)
    updated = await routes["POST", one].endpoint(change)
    check(reply_schema("POST", one), json_of(updated))
    embeddings = {"model": "m", "input": ["a", "b"]}
    for encoding in ("float", "base64"):
        body = {**embeddings, "encoding_format": encoding}
        reply = await routes["POST", "/v1/embeddings"].endpoint(post("/v1/embeddings", body))
        check(reply_schema("POST", "/v1/embeddings"), json_of(reply))
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{id}"),
        ("GET", "/v1/responses/{response_id}"),
        ("GET", "/v1/responses/{response_id}/input_items"),
        ("DELETE", "/v1/responses/{response_id}"),
        ("GET", "/v1/chat/completions"),
        ("GET", one),
        ("GET", f"{one}/messages"),
        ("DELETE", one),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    ):
        reply = await routes[method, path].endpoint(Call(method, path, "r", path_values=values))
        check(reply_schema(method, path), json_of(reply))
