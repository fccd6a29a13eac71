"""The `regex` scorer and its deadline."""

from __future__ import annotations

import time

import pytest

from seatrial.errors import WorkloadError
from seatrial.workload.scorers import check_expected, check_scorer
from seatrial.workload.scorers.pattern import PatternTooSlowError, regex, search
from seatrial.workload.specification import Score


def scored(expected: object, text: str, **settings: object) -> Score:
    spec = check_scorer("regex", settings)
    return regex(spec.settings, check_expected(spec, expected), text)


@pytest.mark.parametrize(
    ("settings", "expected", "text", "value", "parsed"),
    [
        ({"pattern": r"order (\d+)"}, "42", "your order 42 is late", 1, "42"),
        ({"pattern": r"order (\d+)"}, "42", "order 41, no: order 42", 1, "42"),
        ({"pattern": r"order (\d+)"}, "42", "Order 42", 0, None),
        ({"pattern": r"order (\d+)", "ignore_case": True}, "42", "Order 42", 1, "42"),
        ({"pattern": r"(a|b)-(?P<answer>\w+)"}, "X", "b-x", 1, "x"),
        ({"pattern": r"^end: (.*)$", "multiline": True}, "y", "end: y\nmore", 1, "y"),
        ({"pattern": r"a(.)b", "dotall": True}, ["c", "\n.".strip()], "a\nb", 0, None),
        ({}, r"\bship(s|ped)?\b", "It shipped today", 1, "shipped"),
        ({}, r"\bship(s|ped)?\b", "a shipment", 0, None),
        ({}, r".+", "", 0, None),
    ],
)
def test_regex(settings: dict[str, object], expected: object, text: str, value: float, parsed: str | None) -> None:
    result = scored(expected, text, **settings)
    assert (result.value, result.parsed) == (value, parsed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "("}, "is not a pattern"),
        ({"pattern": "a"}, "has 0 groups"),
        ({"pattern": "(a)(b)"}, "has 2 groups"),
        ({"pattern": "(a{99999999999})"}, "is not a pattern"),
        ({"pattern": "(" * 400 + ")" * 400}, "not a pattern|groups"),
        ({"pattern": "(a)" + "b" * 1000}, "1,000"),
        ({"pattern": 3}, "must be a pattern"),
    ],
)
def test_patterns_that_will_not_do(settings: dict[str, object], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        check_scorer("regex", settings)


def test_an_expected_pattern_is_checked() -> None:
    with pytest.raises(WorkloadError, match="is not a pattern"):
        check_expected(check_scorer("regex", {}), "[")


def test_a_runaway_pattern_is_given_up_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.workload.scorers.pattern.DEADLINE_S", 0.3)
    began = time.monotonic()
    result = scored(r"(a+)+$", "a" * 40 + "b")
    assert result.value == 0
    assert result.parsed is None
    assert "given up" in result.detail
    assert time.monotonic() - began < 30
    assert scored("b$", "ab").value == 1


def test_search_survives_any_characters() -> None:
    match = search("(.)$", "\ud800\n\u2028\x00é", 0)
    assert match is not None
    assert match.groups == {"1": "é"}
    with pytest.raises(PatternTooSlowError):
        search("(", "x")
