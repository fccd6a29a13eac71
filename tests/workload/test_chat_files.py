"""Workloads in the chat format that tuning services take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written import write_lines

from seatrial.chat import message
from seatrial.errors import WorkloadError
from seatrial.workload.loading import load_workload
from seatrial.workload.specification import Workload

SYSTEM, USER, ASSISTANT = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Capital of France?"},
    {"role": "assistant", "content": "Paris"},
)


def chat(tmp_path: Path, record: dict[str, Any]) -> Workload:
    return load_workload(str(write_lines(tmp_path / "chat.jsonl", [record])), scorer="exact")


def test_chat_format(tmp_path: Path) -> None:
    more = [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": [{"type": "text", "text": "And?"}]}]
    item = chat(tmp_path, {"messages": [SYSTEM, USER, *more, ASSISTANT], "cluster": 3}).items[0]
    assert (item.input, item.expected, item.id, item.cluster) == ("And?", "Paris", "line-1", "3")
    assert item.messages == (
        message("system", "Be brief."),
        message("user", "Capital of France?"),
        message("assistant", "Yes?"),
        message("user", "And?"),
    )


def test_chat_format_with_expected_beside_it(tmp_path: Path) -> None:
    item = chat(tmp_path, {"messages": [{"role": "developer", "content": "x"}, USER], "expected": ["Paris"]}).items[0]
    assert (item.expected, item.messages[0].role) == (["Paris"], "system")


def test_a_bare_chat_file_is_asked_as_it_stands(tmp_path: Path) -> None:
    records = [{"messages": [USER, {"role": "assistant", "content": label}]} for label in ("yes", "no", "yes") * 3]
    workload = load_workload(str(write_lines(tmp_path / "chat.jsonl", records)))
    assert (workload.scorer.name, workload.prompt.system) == ("label", "")


@pytest.mark.parametrize(
    ("record", "field", "what"),
    [
        ({"messages": []}, "messages", "at least one"),
        ({"messages": "hi"}, "messages", "must be a list"),
        ({"messages": [USER]}, "messages[0]", "must be by the assistant"),
        ({"messages": [ASSISTANT]}, "messages[0]", "must end with a message by the user"),
        ({"messages": [USER, ASSISTANT], "expected": "Paris"}, "messages[1]", "must end with a message by the user"),
        ({"messages": [USER, ASSISTANT], "input": "q"}, "messages", "one or the other"),
        ({"messages": [USER, SYSTEM, USER, ASSISTANT]}, "messages", "must come first"),
        ({"messages": [USER, ASSISTANT], "tools": [{}]}, "tools", "cannot be scored"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]}, "messages[1].tool_calls", "cannot be scored"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role", "is 'narrator'"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages[0].role", "must be one of"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content", "must not be empty"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "is null"),
        ({"messages": ["hi"]}, "messages[0]", "must be an object"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
            "this one is of 'image_url'",
        ),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "of the type `text`"),
    ],
)
def test_faulty_conversations_are_named(tmp_path: Path, record: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        chat(tmp_path, record)
    assert f"line 1, `{field}`: " in str(caught.value)
    assert what in str(caught.value)
