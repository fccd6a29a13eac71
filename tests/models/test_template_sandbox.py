"""Chat templates from anywhere: nothing runs while they are loaded, and no expression makes much of little."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from seatrial.chat import message
from seatrial.errors import CheckpointError, UsageError
from seatrial.models.chat_template import ChatTemplate


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, now=datetime.now, path="a.gguf")


BOMBS = [
    "{{ 9 ** (9 ** 9) }}",
    "{{ 'a' * 99999999999 }}",
    "{{ 99999999999 * [0] }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ '%*d' % (99999999999, 1) }}",
    "{{ 'a' | center(99999999999) }}",
    "{{ 'a'.ljust(99999999999) }}",
    "{{ {'a': 1} | tojson(indent=99999999999) }}",
    "{{ [1] | batch(99999999999, 0) | list }}",
    "{{ 'a' | indent(width=99999999999) }}",
    "{{ range(99999999999) | list }}",
    "{{ 'x'.__class__.__mro__ }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
]


@pytest.mark.parametrize("source", BOMBS)
def test_a_bomb_costs_nothing_to_load_and_is_refused_when_it_runs(source: str) -> None:
    begun = time.process_time()
    loaded = template(source)
    with pytest.raises(UsageError, match="chat template refuses this conversation"):
        loaded.render([message("user", "hello")])
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{", "unexpected 'end of template'"),
        ("{% if true %}" * 150 + "{% endif %}" * 150, "indentation"),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, "nested blocks"),
        ("{{ " + "[" * 3000 + "]" * 3000 + " }}", "recursion"),
        ("x" * 1_048_577, "1,048,577 characters; 1,048,576 are taken"),
    ],
)
def test_what_cannot_be_compiled_is_a_damaged_checkpoint(source: str, reason: str) -> None:
    with pytest.raises(CheckpointError, match=rf"a\.gguf, `chat_template`.*{reason}") as caught:
        template(source)
    assert str(caught.value).isprintable()


def test_what_templates_do_still_works() -> None:
    source = (
        "{{ 2 ** 10 }} {{ 3 * 'ab' }} {{ '%s-%03d' % ('x', 7) }} {{ 'a' | center(5) }} {{ 7 % 4 }} {{ 6 * 7 }} "
        "{{ 10000000000 | tojson }} {{ [1, 2] | map('string') | join(',') }} {{ messages[0].content | upper }}"
    )
    rendered = template(source).render([message("user", "hello")])
    assert rendered == "1024 ababab x-007   a   3 42 10000000000 1,2 HELLO"
