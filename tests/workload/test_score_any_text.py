"""Every scorer, on any text: a score in [0, 1] that can be written as JSON, and no exception."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seatrial.workload.scorers import SCORER_NAMES, check_expected, check_scorer, score
from seatrial.workload.specification import Item, Prompt, Workload

CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "exact": ({"ignore_punctuation": True}, ["yes", "12"]),
    "label": ({"labels": ["yes", "no", "not sure"]}, "yes"),
    "number": ({"relative_tolerance": 0.1}, 12),
    "contains": ({"whole_words": True}, ["yes", "{"]),
    "regex": ({"pattern": r"(\w+)"}, "yes"),
    "anls": ({"threshold": 0.4}, ["yes", "not sure"]),
    "relaxed_accuracy": ({"exact_years": True}, [12, "yes"]),
    "json_fields": (
        {
            "average": "micro",
            "fields": {
                "a": "string",
                "b": "number",
                "c": "date",
                "d": "strings",
                "e": {"type": "objects", "fields": {"a": "boolean"}},
            },
        },
        {"a": "x", "b": 1, "c": "2026-01-02", "d": ["x"], "e": [{"a": True}, {"a": False}]},
    ),
    "json_schema": ({"schema": {"type": "object", "properties": {"a": {"pattern": "^x"}}}}, None),
}

pieces = st.sampled_from(
    ["yes", "no", "not sure", "12", "-", "{", "}", "[", "]", '"a"', ":", ",", "null", "```json\n", "```", "\\boxed{",
     "<think>", "</think>", "Answer:", "####", "1e400", "9" * 25, '"\\ud800"', "\ud800", "\x00", "{}", '{"a": "x"}',
     '{"e": [{"a": true}]}']
)  # fmt: skip


def a_workload(scorer: str) -> Workload:
    settings, expected = CASES[scorer]
    spec = check_scorer(scorer, settings)
    item = Item("1", "q", check_expected(spec, expected))
    return Workload("w", "1", "w", "generation", "", "", Prompt(), spec, (item,), (), "w", "f")


def test_every_scorer_has_a_case() -> None:
    assert set(CASES) == set(SCORER_NAMES)


@pytest.mark.parametrize("scorer", SCORER_NAMES)
@hypothesis_settings(deadline=None)
@given(text=st.text() | st.lists(pieces | st.text(max_size=3), max_size=12).map("".join))
def test_any_text_gets_a_score(scorer: str, text: str) -> None:
    workload = a_workload(scorer)
    result = score(workload, workload.items[0], text)
    assert 0 <= result.value <= 1
    assert result == score(workload, workload.items[0], text)
    msgspec.json.encode([result.value, result.parsed, result.parts])
    assert result.detail
    if result.value > 0:
        assert result.parsed is not None


@pytest.mark.parametrize("scorer", SCORER_NAMES)
def test_structured_says_which_scorers_want_json(scorer: str) -> None:
    assert a_workload(scorer).scorer.structured == scorer.startswith("json_")
