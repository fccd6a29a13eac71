"""From items to requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seatrial.chat import Sampling
from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import expected_text, render, rendered_examples
from seatrial.workload.scorers import check_scorer
from seatrial.workload.specification import Item, Prompt, Workload


def a_workload(
    scorer: str, expected: Any, *, prompt: Prompt | None = None, examples: tuple[Item, ...] = (), **settings: Any
) -> Workload:
    item = Item("1", "How {so}?", expected)
    spec = check_scorer(scorer, settings)
    return Workload("w", "1", "w", "generation", "", "", prompt or Prompt(), spec, (item,), examples, "w", "f")


def turns(workload: Workload) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in render(workload, workload.items[0]).messages]


def test_system_shots_and_item() -> None:
    prompt = Prompt("Be kind.", "Q: {input}\nA:", shots=1, max_tokens=7)
    examples = (Item("x", "one {input}", "1"), Item("y", "two", "2"))
    workload = a_workload("exact", "a", prompt=prompt, examples=examples)
    assert turns(workload) == [
        ("system", "Be kind."),
        ("user", "Q: one {input}\nA:"),
        ("assistant", "1"),
        ("user", "Q: How {so}?\nA:"),
    ]
    request = render(workload, workload.items[0])
    assert (request.max_tokens, request.sampling, request.json_schema) == (7, Sampling(), None)


def test_without_a_system_prompt_there_is_no_system_message() -> None:
    assert turns(a_workload("exact", "a")) == [("user", "How {so}?")]


@hypothesis_settings(deadline=None)
@given(st.text(min_size=1))
def test_any_input_is_put_in_as_it_stands(text: str) -> None:
    workload = a_workload("exact", "a", prompt=Prompt(user="<{input}> {0} {input!r}"))
    asked = render(workload, Item("1", text, "a")).messages[-1].text
    assert asked == "<" + text + "> {0} {input!r}"


@pytest.mark.parametrize(
    ("scorer", "expected", "settings", "text"),
    [
        ("exact", "Paris", {}, "Paris"),
        ("exact", ["colour", "color"], {}, "colour"),
        ("exact", 12.0, {}, "12"),
        ("number", 12.5, {}, "12.5"),
        ("number", "So.\nAnswer: 3", {}, "So.\nAnswer: 3"),
        ("contains", ["a", "b"], {}, "a, b"),
        ("label", "b", {"labels": ["a", "b"]}, "b"),
        ("json_schema", {"b": 1, "a": "é"}, {"schema": {"type": "object"}}, '{"a": "é", "b": 1}'),
    ],
)
def test_what_is_expected_as_text(scorer: str, expected: Any, settings: dict[str, Any], text: str) -> None:
    workload = a_workload(scorer, expected, **settings)
    assert expected_text(workload, workload.items[0]) == text


def test_objects_are_written_in_declared_order_with_all_their_fields() -> None:
    fields = {
        "total": "number",
        "note": {"type": "string", "optional": True},
        "tags": "strings",
        "lines": {"type": "objects", "fields": {"sku": "string", "count": "integer"}},
    }
    workload = a_workload("json_fields", {"lines": [{"count": 2, "sku": "ü"}], "total": 1.5}, fields=fields)
    text = '{"total": 1.5, "note": null, "tags": [], "lines": [{"sku": "ü", "count": 2}]}'
    assert expected_text(workload, workload.items[0]) == text
    schema = render(workload, workload.items[0]).json_schema
    assert schema is not None
    assert list(schema["properties"]) == ["total", "note", "tags", "lines"]


def test_a_json_schema_is_passed_on() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    workload = a_workload("json_schema", None, schema=schema)
    assert render(workload, workload.items[0]).json_schema == schema


def test_a_conversation_is_asked_as_it_stands(tmp_path: Path) -> None:
    own = [{"role": "system", "content": "mine"}, {"role": "user", "content": "{input}?"}]
    bare = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "uh"},
        {"role": "user", "content": "two"},
    ]
    answer = {"role": "assistant", "content": "done"}
    (tmp_path / "workload.toml").write_text(
        'scorer = "exact"\n[prompt]\nsystem = "ours"\nuser = "Q: {input}"\nshots = 1\n'
    )
    lines = [{"messages": [*own, answer]}, {"messages": [*bare, answer]}]
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (tmp_path / "examples.jsonl").write_text(json.dumps({"input": "zero", "expected": "0"}))
    workload = load_workload(str(tmp_path))
    shot = [("user", "Q: zero"), ("assistant", "0")]
    first, second = ([(turn.role, turn.text) for turn in render(workload, item).messages] for item in workload.items)
    assert first == [("system", "mine"), *shot, ("user", "{input}?")]
    assert second == [("system", "ours"), *shot, ("user", "one"), ("assistant", "uh"), ("user", "two")]


def test_rendered_examples_are_what_the_baselines_learn_from() -> None:
    examples = (Item("x", "one", "1"), Item("y", "two", "2"))
    workload = a_workload("exact", "a", prompt=Prompt("s", "Q: {input}"), examples=examples)
    assert rendered_examples(workload) == (("Q: one", "1"), ("Q: two", "2"))
    asked = render(workload, examples[0]).messages[-1].text
    assert asked == rendered_examples(workload)[0][0]
