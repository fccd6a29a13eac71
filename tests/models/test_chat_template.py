"""Templates from outside: what they may not do, and how messages, tools and thinking reach them."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import ImagePart, Message, Part, TextPart, Tool, ToolCall, VideoPart, message
from seatrial.errors import CheckpointError, UsageError
from seatrial.models.chat_template import ChatTemplate, Marks

HELLO = [message("user", "hello")]
TOOL = Tool("add", "Sum", {"type": "object"})


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, now=lambda: datetime(2026, 2, 3))


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append({}) }}",
        "{{ messages.clear() }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages[0].content + 1 }}",
        "{{ 1 / 0 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ nothing.attribute }}",
        "{{ 'x' * 10 ** 15 }}",
    ],
)
def test_a_template_that_oversteps_is_a_clear_error(source: str) -> None:
    with pytest.raises(UsageError, match="chat template refuses this conversation"):
        template(source).render(HELLO)


@pytest.mark.parametrize("source", ["{% if %}", "{{", "{% generation %}", "{% unknown %}", "{{ x | nofilter }}"])
def test_a_template_that_is_none_is_a_checkpoint_error(source: str) -> None:
    with pytest.raises(CheckpointError, match="chat_template"):
        template(source)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from(list("{}%-#'\"ab .|()[]forinendif\n")), max_size=60))
def test_any_text_renders_or_is_refused(source: str) -> None:
    with contextlib.suppress(CheckpointError, UsageError):
        template(source).render(HELLO)


def test_the_clock_is_the_one_given() -> None:
    assert template("{{ strftime_now('%d %B %Y') }}").render(HELLO) == "03 February 2026"


def test_tools_go_where_the_template_wants_them() -> None:
    bare = {"name": "add", "description": "Sum", "parameters": {"type": "object"}}
    xml = template("{{ xml_tools | tojson }}{{ tools | tojson }}")
    assert xml.render(HELLO, tools=[TOOL]) == json.dumps([bare]) + "null"
    plain = template("{{ tools | tojson }}")
    assert json.loads(plain.render(HELLO, tools=[TOOL])) == [{"type": "function", "function": bare}]


def test_tools_without_a_place_stand_in_the_system_message() -> None:
    turns = template("{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}")
    alone = turns.render(HELLO, tools=[TOOL])
    assert alone.startswith("[system] You can call functions.")
    listed = alone.split("<tools>\n")[1].split("\n</tools>")[0]
    assert json.loads(listed) == {"name": "add", "description": "Sum", "parameters": {"type": "object"}}
    assert alone.endswith("[user] hello\n")
    told = turns.render([message("system", "Be brief."), *HELLO], tools=[TOOL])
    assert told.startswith("[system] Be brief.\n\nYou can call functions.")
    assert told.count("[system]") == 1
    assert "\n<tool_call>\n" in told


def test_results_without_a_place_come_from_the_user() -> None:
    results = [Message("tool", (TextPart(text),), tool_call_id="c") for text in ("2", "3")]
    turns = [*HELLO, Message("assistant", (), (ToolCall("c", "add", "{}"),)), *results, message("user", "so?")]
    plain = template("{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}").render(turns)
    first, second = (f"<tool_response>\n{text}\n</tool_response>" for text in "23")
    call = '<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>'
    assert plain == f"[user] hello\n[assistant] {call}\n[user] {first}\n{second}\n[user] so?\n"
    knows = template("{% for m in messages %}{{ 'result' if m.role == 'tool' else m.role }} {% endfor %}")
    assert knows.render(turns) == "user assistant result result user "


def test_variables_reach_the_template_and_go_before() -> None:
    dual = template("{{ enable_thinking }} {{ colour }} {{ add_generation_prompt }}")
    assert dual.render(HELLO, thinking=True, variables={"enable_thinking": False, "colour": "red"}) == "False red True"
    assert dual.render(HELLO, variables={"unknown": [1]}) == "  True"
    for name in ("messages", "self"):
        with pytest.raises(UsageError, match=f"`{name}` is not free"):
            dual.render(HELLO, variables={name: 1})


def test_tool_calls_go_to_a_template_that_knows_them() -> None:
    calls = (ToolCall("call_7", "add", '{"a": 1}'),)
    turns = [Message("assistant", (TextPart("So:"),), calls), Message("tool", (TextPart("2"),), tool_call_id="call_7")]
    knows = template("{% for m in messages %}{{ (m.tool_calls or []) | tojson }}|{{ m.tool_call_id }}\n{% endfor %}")
    function = {"name": "add", "arguments": {"a": 1}}
    first, second = knows.render(turns).splitlines()
    assert json.loads(first.split("|")[0]) == [{"type": "function", "id": "call_7", "function": function}]
    assert second.endswith("|call_7")
    simple = template("{{ messages[0].content }}")
    assert simple.render(turns) == 'So:\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


@pytest.mark.parametrize(("thinking", "expected"), [(None, "default"), (True, "True"), (False, "False")])
def test_thinking_switch(thinking: bool | None, expected: str) -> None:
    dual = template("{{ enable_thinking if enable_thinking is defined else 'default' }}")
    assert dual.render(HELLO, thinking=thinking) == expected
    assert dual.reasons


def test_thinking_on_a_model_that_cannot() -> None:
    plain: Any = template("{{ messages[0].content }}")
    assert not plain.reasons
    assert plain.render(HELLO, thinking=False) == "hello"
    with pytest.raises(UsageError, match="no thinking mode"):
        plain.render(HELLO, thinking=True)


LOOP = "{% for m in messages %}{% for p in m.content %}MARKS{{ p.text }}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    "marks",
    [
        "{% if p.type == 'image' %}<image>{% elif p.type == 'video' %}<video>{% endif %}",
        r"{{ {'image': '\x3cimage>', 'video': '<video>'}.get(p.type, '') }}",
        "{% macro mark(of, image='<image>') %}{{ image if of == 'image' else '<video>' }}{% endmacro %}"
        "{% if p.type in ['image', 'video'] %}{{ mark(p.type) }}{% endif %}",
        "{% if p.type == 'image' %}{{ image_token }}{% elif p.type == 'video' %}{{ video_token }}{% endif %}",
    ],
)
def test_pictures_take_the_marks_asked_for_and_texts_keep_theirs(marks: str) -> None:
    tokens = {"image_token": "<image>", "video_token": "<video>"}
    knows = ChatTemplate(LOOP.replace("MARKS", marks), now=lambda: datetime(2026, 2, 3), tokens=tokens)
    parts: list[Part] = [TextPart("<image> <video> "), ImagePart(b"", "image/png"), VideoPart(Path("a.mp4"))]
    turns = [Message("user", (*parts, TextPart("<ima"), TextPart("ge>")))]
    assert knows.render(turns) == "<image> <video> <image><video><image>"
    assert knows.render(turns, marks=Marks("(1)", "(2)")) == "<image> <video> (1)(2)<image>"


def test_marks_that_a_template_puts_together_are_pictures() -> None:
    """What its source does not spell cannot be told from what users write."""
    builds = template(LOOP.replace("MARKS", "{% if p.type != 'text' %}<{{ p.type }}>{% endif %}") + "{# 'image' #}")
    turns = [Message("user", (TextPart("see "), ImagePart(b"", "image/png"), VideoPart(Path("a.mp4"))))]
    assert builds.render(turns, marks=Marks("(1)", "(2)")) == "see (1)(2)"
    assert builds.render(HELLO, marks=Marks("(1)", "(2)")) == "hello"


def test_no_variable_takes_the_place_of_a_mark() -> None:
    knows = template("<image>{{ messages[0].content }}")
    variables = {f"_text_{number}_that_spells_a_mark": "<image>" for number in range(3)}
    assert knows.render(HELLO, variables=variables, marks=Marks("(1)", "(2)")) == "(1)hello"
