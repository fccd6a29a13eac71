"""What each field of a chat body does, and how it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_bodies import HELLO, LIMITS, PNG_URL, asked, picture, refused

from seatrial.chat import ChatRequest, Message, TextPart, Tool, ToolCall, message
from seatrial.server.wire.chat import decode_chat
from seatrial.server.wire.limits import WireLimits
from seatrial.server.wire.sampling import choices_of, num_choices


def test_the_plainest_request_leaves_everything_to_the_provider():
    assert asked() == ChatRequest((message("user", "Hello"),))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.5),
        ("temperature", 0),
        ("temperature", 2),
        ("top_p", 0.9),
        ("top_k", 40),
        ("min_p", 0.05),
        ("seed", -(2**63)),
        ("seed", 2**63 - 1),
        ("frequency_penalty", -2),
        ("presence_penalty", 2),
        ("repetition_penalty", 1.1),
        ("ignore_eos", True),
    ],
)
def test_sampling_fields_go_to_the_provider_as_they_are(field: str, value: float):
    assert getattr(asked(**{field: value}).sampling, field) == value


def test_a_nucleus_of_nothing_is_greedy():
    sampling = asked(top_p=0, temperature=1.5).sampling
    assert (sampling.temperature, sampling.top_p) == (0.0, None)


@pytest.mark.parametrize("off", [0, -1])
def test_top_k_is_switched_off_by_numbers_below_one(off: int):
    top_k = asked(top_k=off).sampling.top_k
    assert top_k is not None
    assert top_k > 1_000_000


def test_logit_bias_has_token_ids_as_keys():
    assert asked(logit_bias={"50256": -100, "7": 1.5}).sampling.logit_bias == {50256: -100.0, 7: 1.5}


@pytest.mark.parametrize(("stop", "stops"), [("END", ("END",)), (["a", "b"], ("a", "b")), (None, ())])
def test_stop_is_one_text_or_several(stop: Any, stops: tuple[str, ...]):
    assert asked(stop=stop).stop == stops


def test_either_name_of_the_longest_answer_is_taken():
    assert asked(max_tokens=5).max_tokens == 5
    assert asked(max_completion_tokens=6).max_tokens == 6
    assert asked(max_completion_tokens=6, max_tokens=6).max_tokens == 6
    assert refused(max_completion_tokens=6, max_tokens=7).param == "max_tokens"


def test_the_operator_bounds_answers():
    bounded = WireLimits(max_answer_tokens=100)
    assert asked(bounded).max_tokens == 100
    assert asked(bounded, max_tokens=99).max_tokens == 99
    failure = refused(bounded, max_completion_tokens=101)
    assert failure.param == "max_completion_tokens"
    assert "100" in failure.message


def test_logprobs_ask_for_scores_and_for_the_best_tokens():
    assert asked(logprobs=True).num_logprobs == 0
    assert asked(logprobs=True, top_logprobs=20).num_logprobs == 20
    assert asked(logprobs=False).num_logprobs is None
    assert refused(top_logprobs=2).param == "top_logprobs"
    assert refused(logprobs=False, top_logprobs=2).param == "top_logprobs"


def test_n_is_bounded_by_the_operator():
    assert num_choices(decode_chat(json.dumps({"model": "m", "messages": HELLO, "n": 16}).encode()), LIMITS) == 16
    failure = refused(n=17)
    assert (failure.param, failure.code) == ("n", "integer_above_max_value")
    assert "16" in failure.message


def test_each_choice_has_a_seed_of_its_own_and_the_first_the_one_that_was_sent():
    first = choices_of(asked(seed=7), 4)
    seeds = [request.sampling.seed for request in first]
    assert seeds[0] == 7
    assert len(set(seeds)) == 4
    assert all(seed is not None and 0 <= seed < 2**63 for seed in seeds)
    assert choices_of(asked(seed=7), 4) == first
    assert choices_of(asked(seed=8), 4)[1] != first[1]
    assert {request.sampling.seed for request in choices_of(asked(), 3)} == {None}


def test_roles_and_kinds_of_content():
    request = asked(
        messages=[
            {"role": "developer", "content": "Be brief.", "name": "dev"},
            {"role": "system", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "reasoning_content": "hm",
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "content": "42", "tool_call_id": "c1"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "refusal": "Never."},
        ]
    )
    assert request.messages == (
        message("system", "Be brief."),
        Message("system", (TextPart("Be "), TextPart("kind."))),
        message("user", "Hi"),
        Message("assistant", (), (ToolCall("c1", "f", "{}"),)),
        Message("tool", (TextPart("42"),), (), "c1"),
        message("assistant", "No."),
        message("assistant", "Never."),
    )


def test_tools_and_the_choice_among_them():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": "weather", "description": "d", "parameters": schema, "strict": True}},
        {"type": "function", "function": {"name": "time"}},
    ]
    request = asked(tools=tools, parallel_tool_calls=False)
    assert request.tools == (
        Tool("weather", "d", schema, strict=True),
        Tool("time", "", {"type": "object", "properties": {}}),
    )
    assert (request.tool_choice, request.named_tool, request.parallel_tool_calls) == ("auto", None, False)
    assert asked(tools=tools, tool_choice="none").tool_choice == "none"
    assert asked(tools=tools, tool_choice="required").tool_choice == "required"
    named = asked(tools=tools, tool_choice={"type": "function", "function": {"name": "time"}})
    assert named.named_tool == "time"
    assert asked(tools=[], tool_choice="auto").tools == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a" * 65}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a\n"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}] * 2}, "tools[1].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "a"}}]}, "tools[0].type"),
        (
            {
                "tools": [{"type": "function", "function": {"name": "a"}}],
                "tool_choice": {"type": "function", "function": {"name": "b"}},
            },
            "tool_choice",
        ),
        ({"tools": [{"type": "function", "function": {"name": f"t{n}"}} for n in range(129)]}, "tools"),
    ],
)
def test_tools_that_cannot_be_are_refused(fields: dict[str, Any], param: str):
    assert refused(**fields).param == param


def test_response_formats():
    schema = {"type": "object", "properties": {}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    assert asked(response_format=wanted).json_schema == schema
    assert asked(response_format={"type": "json_object"}).json_object
    plain = asked(response_format={"type": "text"})
    assert (plain.json_schema, plain.json_object) == (None, False)


@pytest.mark.parametrize(
    ("wanted", "param", "code"),
    [
        ({"type": "grammar"}, "response_format.type", "invalid_value"),
        ({"type": "json_schema"}, "response_format.json_schema", "missing_required_parameter"),
        (
            {"type": "json_schema", "json_schema": {"name": "a"}},
            "response_format.json_schema.schema",
            "missing_required_parameter",
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}},
            "response_format.json_schema.name",
            "invalid_value",
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": "x"}},
            "response_format.json_schema.schema",
            "invalid_type",
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}, "strict": True}},
            "response_format.json_schema.schema",
            "invalid_json_schema",
        ),
    ],
)
def test_response_formats_that_cannot_be_are_refused(wanted: Any, param: str, code: str):
    failure = refused(response_format=wanted)
    assert (failure.param, failure.code) == (param, code)


def test_reasoning_is_asked_for_in_one_word_or_by_template_variables():
    assert asked(reasoning_effort="high").reasoning_effort == "high"
    request = asked(chat_template_kwargs={"enable_thinking": False, "tone": "dry"})
    assert (request.thinking, request.template_variables) == (False, {"tone": "dry"})
    assert refused(chat_template_kwargs={"enable_thinking": "no"}).param == "chat_template_kwargs.enable_thinking"


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "implicit"}},
        {"service_tier": "flex"},
        {"verbosity": "low", "prediction": {"type": "content", "content": "x"}},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"metadata": {"a": "b"}, "user": "u", "safety_identifier": "s", "store": True},
        {"modalities": ["text"], "audio": None, "functions": None, "function_call": None, "web_search_options": None},
        dict.fromkeys(
            (
                "temperature",
                "top_p",
                "n",
                "stop",
                "seed",
                "stream",
                "stream_options",
                "tools",
                "tool_choice",
                "logprobs",
            )
        ),
    ],
)
def test_fields_without_effect_leave_the_request_as_it_was(fields: dict[str, Any]):
    assert asked(**fields) == asked()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"audio": {"voice": "ash"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"best_of": 2}, "best_of"),
        ({"min_tokens": 2}, "min_tokens"),
        ({"guided_json": {}}, "guided_json"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
        ({"messages": [{"role": "user", "content": "x", "weight": 1}]}, "messages[0].weight"),
        ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, "messages[0].audio"),
        ({"odd ` name": 1}, "odd ` name"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(fields: dict[str, Any], param: str):
    failure = refused(**fields)
    assert (failure.param, failure.code) == (param, "unsupported_parameter")
    assert param in failure.message


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": 1}, "model", "invalid_type"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": []}, "messages", "array_below_min_length"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
        ({"messages": [*HELLO, {"role": "user", "content": 3}]}, "messages[1].content", "invalid_type"),
        ({"messages": [*HELLO, {"role": "user", "content": None}]}, "messages[1].content", "invalid_type"),
        ({"messages": [*HELLO, {"role": "assistant", "content": None}]}, "messages[1].content", "invalid_type"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "missing_required_parameter"),
        ({"messages": [{"role": "function", "content": "x", "name": "f"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "array_below_min_length"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        ({"messages": picture(PNG_URL, detail="huge")}, "messages[0].content[0].image_url.detail", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"temperature": 2.01}, "temperature", "decimal_above_max_value"),
        ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
        ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
        ({"min_p": -1}, "min_p", "decimal_below_min_value"),
        ({"repetition_penalty": 0}, "repetition_penalty", "decimal_below_min_value"),
        ({"top_k": 1.5}, "top_k", "invalid_type"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"seed": 2**63}, "seed", "integer_above_max_value"),
        ({"frequency_penalty": 2.1}, "frequency_penalty", "decimal_above_max_value"),
        ({"stop": []}, "stop", "array_below_min_length"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"stop": [""]}, "stop[0]", "string_below_min_length"),
        ({"logit_bias": {"the": 1}}, "logit_bias", "invalid_type"),
        ({"logit_bias": {"7": 101}}, "logit_bias", "decimal_above_max_value"),
        ({"logit_bias": {"-7": 1}}, "logit_bias", "integer_below_min_value"),
        ({"logprobs": 3}, "logprobs", "invalid_type"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort", "invalid_value"),
        ({"metadata": {f"k{n}": "" for n in range(17)}}, "metadata", "object_above_max_length"),
        ({"metadata": {"k" * 65: ""}}, "metadata", "string_above_max_length"),
        ({"metadata": {"k": "v" * 513}}, "metadata", "string_above_max_length"),
        ({"metadata": {"k": 1}}, "metadata", "invalid_type"),
        ({"tool_choice": "sometimes"}, "tool_choice", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"verbosity": "loud"}, "verbosity", "invalid_value"),
    ],
)
def test_wrong_values_are_refused_by_their_place(fields: dict[str, Any], param: str, code: str):
    failure = refused(**fields)
    assert (failure.param, failure.code) == (param, code)
    assert param.partition(".")[0] in failure.message


def test_messages_name_value_limit_and_way_out():
    assert refused(temperature=3).message == "Invalid value: 'temperature' is 3; it must be at most 2."
    assert refused(model=[]).message == "Invalid type: 'model' must be a string, not a list."
    roles = refused(messages=[{"role": "narrator", "content": "x"}]).message
    assert roles.endswith("It must be one of 'system', 'developer', 'user', 'assistant', 'tool'.")
    types = refused(messages=[{"role": "user", "content": [{"type": "video"}]}]).message
    assert types.endswith("It must be one of 'text', 'image_url', 'video_url'.")
    assert len(refused(reasoning_effort="x" * 5000).message) < 300


def test_free_form_json_may_not_be_nested_without_end():
    deep: Any = {"type": "object"}
    for _ in range(120):
        deep = {"anyOf": [deep]}
    for fields, param in (
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": deep}}]},
            "tools[0].function.parameters",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": deep}}},
            "response_format.json_schema.schema",
        ),
        ({"chat_template_kwargs": deep}, "chat_template_kwargs"),
    ):
        failure = refused(**fields)
        assert failure.param == param
        assert "levels" in failure.message
