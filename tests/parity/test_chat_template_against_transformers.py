"""SmolLM3's published chat template, rendered by us and by transformers' `apply_chat_template`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from transformers.utils import chat_template_utils

from seatrial.chat import Message, TextPart, Tool, ToolCall, message
from seatrial.models.chat_template import ChatTemplate

NOW = datetime(2026, 2, 3, 4, 5, 6)
WEATHER = Tool(
    "get_weather",
    'Weather now, in "plain" words & <short>',
    {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]},
)
ADD = Tool("add", "Sum of two numbers — größer, 大きい", {"type": "object", "properties": {"a": {"type": "number"}}})
CALL = ToolCall("call_0", "get_weather", '{"city": "Zürich"}')
CONVERSATIONS: dict[str, list[Message]] = {
    "one question": [message("user", "What is the boiling point of water?")],
    "own system message": [message("system", "Answer in French."), message("user", "Hello!")],
    "system switches thinking off": [message("system", "Be brief. /no_think"), message("user", "Hello!")],
    "system switches thinking on": [message("system", "/think Be thorough."), message("user", "2 + 2?")],
    "system overrides everything": [message("system", "You are a pirate./system_override"), message("user", "Ahoy")],
    "override and no_think": [message("system", "/no_think You translate. /system_override"), message("user", "Hi")],
    "several turns": [
        message("user", "Name a prime."),
        message("assistant", "\n\n7"),
        message("user", "Another."),
        message("assistant", "11\n"),
        message("user", "Their product?"),
    ],
    "thoughts in the history": [
        message("user", "Is 91 prime?"),
        message("assistant", "<think>\n7 * 13 = 91\n</think>\nNo."),
        message("user", "Why?"),
    ],
    "template syntax and markup as text": [
        message("user", "{{ 1 + 1 }} {% raw %} <b>&amp;</b> \"quoted\" 'single' \\n")
    ],
    "empty and multilingual": [
        message("system", ""),
        message("user", "Grüße, 你好, مرحبا, 🙂"),
        message("assistant", ""),
    ],
    "a tool answered": [
        message("user", "Weather in Zürich?"),
        Message("assistant", (TextPart("I look it up."),), tool_calls=(CALL,)),
        Message("tool", (TextPart('{"celsius": 3}'),), tool_call_id="call_0"),
        message("assistant", "3 degrees."),
        message("user", "And tomorrow?"),
    ],
    "only calls, no words": [
        message("system", "Use the tools. /no_think"),
        message("user", "Weather?"),
        Message("assistant", (), tool_calls=(CALL, ToolCall("call_1", "add", "not json"))),
        Message("tool", (TextPart("rain"),), tool_call_id="call_0"),
    ],
}


@pytest.fixture(scope="module")
def source(reference_data: Path) -> str:
    return (reference_data / "tokenizers" / "smollm3-3b.chat_template.jinja").read_text(encoding="utf-8")


@pytest.fixture
def reference(source: str, monkeypatch: pytest.MonkeyPatch) -> transformers.PreTrainedTokenizerFast:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return NOW

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={"a": 0}, merges=[]))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=source)


def as_dicts(messages: list[Message]) -> list[dict[str, str]]:
    """What a caller of transformers passes: SmolLM3's template knows no `tool_calls`, so calls stand in the text."""

    def call(one: ToolCall) -> str:
        arguments = one.arguments if one.arguments.startswith("{") else json.dumps(one.arguments)
        return f'<tool_call>\n{{"name": "{one.name}", "arguments": {arguments}}}\n</tool_call>'

    def content(one: Message) -> str:
        return "\n".join(([one.text] if one.text else []) + [call(c) for c in one.tool_calls])

    return [{"role": one.role, "content": content(one)} for one in messages]


@pytest.mark.parametrize("conversation", list(CONVERSATIONS))
@pytest.mark.parametrize("thinking", [None, True, False])
@pytest.mark.parametrize("tools", [(), (WEATHER, ADD)], ids=["no tools", "tools"])
def test_renders_as_transformers_does(
    source: str,
    reference: transformers.PreTrainedTokenizerFast,
    conversation: str,
    thinking: bool | None,
    tools: tuple[Tool, ...],
) -> None:
    messages = CONVERSATIONS[conversation]
    options: dict[str, Any] = {} if thinking is None else {"enable_thinking": thinking}
    if tools:
        options["xml_tools"] = [
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)} for tool in tools
        ]
    expected = reference.apply_chat_template(as_dicts(messages), tokenize=False, add_generation_prompt=True, **options)
    template = ChatTemplate(source, now=lambda: NOW)
    assert template.render(messages, tools=tools, thinking=thinking) == expected
    overrides = messages[0].role == "system" and "/system_override" in messages[0].text
    assert ("03 February 2026" in expected) is not overrides
    assert ("get_weather" in expected.split("<|im_end|>")[0]) is (bool(tools) and not overrides)


def test_python_tools_and_no_generation_prompt(source: str, reference: transformers.PreTrainedTokenizerFast) -> None:
    messages = as_dicts(CONVERSATIONS["several turns"])
    tools = ["def add(a: int, b: int) -> int: ...", "def today() -> str: ..."]
    for options in ({"python_tools": tools}, {"python_tools": tools, "xml_tools": [{"name": "x"}]}):
        for prompt in (True, False):
            expected = reference.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=prompt, enable_thinking=False, **options
            )
            template = ChatTemplate(source, now=lambda: NOW)
            found = template.render_raw(messages, add_generation_prompt=prompt, enable_thinking=False, **options)
            assert found == expected
            assert "stateful Jupyter" in found


SNIPPETS = {
    "tojson keeps markup": "{{ messages | tojson }}",
    "tojson with options": "{{ messages | tojson(indent=2, sort_keys=true, ensure_ascii=true) }}",
    "loop controls": "{% for m in messages %}{% if loop.index == 2 %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "blocks are trimmed": "{% for m in messages %}\n    {{ m.role }}\n  {% if true %}\n x\n  {% endif %}\n{% endfor %}",
    "generation block": "{% set a = 1 %}{% generation %}{% set a = 2 %}{{ a }}{% endgeneration %}{{ a }}",
    "special tokens": "{{ bos_token }}{{ eos_token }}|{{ nothing }}",
    "namespace": "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
}


@pytest.mark.parametrize("snippet", list(SNIPPETS))
def test_template_features_behave_as_in_transformers(snippet: str) -> None:
    messages = [{"role": "user", "content": "<a href='ü'>&</a>"}, {"role": "assistant", "content": "b"}]
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={"<s>": 0, "</s>": 1}, merges=[]))
    reference = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    expected = reference.apply_chat_template(messages, chat_template=SNIPPETS[snippet], tokenize=False)
    template = ChatTemplate(SNIPPETS[snippet], now=lambda: NOW, tokens={"bos_token": "<s>", "eos_token": "</s>"})
    assert template.render_raw(messages, add_generation_prompt=False) == expected
