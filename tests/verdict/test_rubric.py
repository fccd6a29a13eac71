"""Rubrics: the four that ship are sound, and a broken one is refused with file and key."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.errors import InputError
from seatrial.verdict.dossier import KEYS, Finding
from seatrial.verdict.rubric import FOLDER, REVIEWERS, Criterion, load_rubric, load_rubrics

SOUND = """
id = "tester"
title = "the tester"
creed = "I test."
bar = 0.6
quorum = 0.5
[voice]
ship = ["Yes to {name}."]
skip = ["No to {name}."]
veto = ["Never {name}."]
abstain = ["Cannot say."]
baseline_ship = ["Yes."]
baseline_skip = ["No."]
in_favour = ["Still,"]
against = ["But"]
[[criteria]]
name = "Failures"
question = "Does it fail?"
key = "failure_rate"
comparison = "<="
threshold = 0.05
pass = ["It holds.", "Only {failure_rate} failed."]
fail = ["It fails.", "{failure_rate} failed, and I allow {threshold}."]
unknown = ["Nobody knows."]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tester.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_panel_has_four_reviewers_with_four_to_seven_questions_each() -> None:
    rubrics = load_rubrics()
    assert tuple(rubric.id for rubric in rubrics) == REVIEWERS
    assert all(4 <= len(rubric.criteria) <= 7 for rubric in rubrics)
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(REVIEWERS)


def test_vetoes_are_retirement_and_licence_at_builder_and_founder() -> None:
    vetoes = {(rubric.id, each.key) for rubric in load_rubrics() for each in rubric.criteria if each.veto}
    assert vetoes == {(who, key) for who in ("builder", "founder") for key in ("retires_in_days", "licence_fits")}
    assert all(
        each.threshold == 90
        for rubric in load_rubrics()
        for each in rubric.criteria
        if each.veto and each.key == "retires_in_days"
    )


def test_every_key_that_can_be_compared_is_asked_for_by_somebody() -> None:
    asked = {criterion.key for rubric in load_rubrics() for criterion in rubric.criteria}
    assert asked == {name for name, key in KEYS.items() if key.kind != "word"}


def test_a_sound_rubric_loads(tmp_path: Path) -> None:
    rubric = load_rubric(write(tmp_path, SOUND))
    assert rubric.criteria[0].weight == 1.0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('key = "failure_rate"', 'key = "failures"', "`failures` cannot be compared"),
        ('key = "failure_rate"', 'key = "name"', "`name` cannot be compared"),
        ("threshold = 0.05", "threshold = true", "a number"),
        ('comparison = "<="', 'comparison = "~"', "~"),
        ("threshold = 0.05", "threshold = 0.05\nveto = true", "published facts"),
        ("threshold = 0.05", "threshold = 0.05\nweight = 0", "not above 0"),
        ("threshold = 0.05", "threshold = 0.05\nbonus = 1", "bonus"),
        ("It holds.", "It holds 9 times of 10.", "holds a number"),
        ("It holds.", "It holds, says {nobody}.", "{nobody}"),
        ('["It holds.", ', "[", "at least one text"),
        ('"Nobody knows."', "", "at least one text"),
        ("Yes to {name}.", "Yes under {threshold}.", "threshold"),
        ("bar = 0.6", "bar = 1.6", "bar 1.6"),
        ("quorum = 0.5", 'quorum = "half"', "quorum"),
        ("[voice]", "[voice", "not TOML"),
        ('question = "Does it fail?"\n', "", "question"),
    ],
)
def test_a_broken_rubric_is_refused_with_file_and_reason(old: str, new: str, named: str, tmp_path: Path) -> None:
    assert old in SOUND
    with pytest.raises(InputError) as caught:
        load_rubric(write(tmp_path, SOUND.replace(old, new)))
    assert "tester.toml" in str(caught.value)
    assert named in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), cut=st.integers(0, len(SOUND)))
def test_no_file_whatever_brings_anything_but_an_input_error(tmp_path: Path, data: bytes, cut: int) -> None:
    for content in (data, SOUND[:cut].encode(), SOUND[:cut].encode() + data):
        path = tmp_path / "fuzzed.toml"
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            load_rubric(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml"):
        load_rubric(tmp_path / "absent.toml")


def criterion(**changes: Any) -> Criterion:
    fields: dict[str, Any] = {
        "name": "n", "question": "q", "key": "failure_rate", "comparison": "<=", "threshold": 0.05,
        "passed": ["p"], "fail": ["f"], "unknown": ["u"],
    }  # fmt: skip
    return Criterion(**{**fields, **changes})


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome"),
    [
        (None, None, None, "unknown"),
        (0.01, None, None, "pass"),
        (0.05, None, None, "pass"),
        (0.06, None, None, "fail"),
        (0.01, 0.0, 0.04, "pass"),
        (0.01, 0.0, 0.09, "unknown"),
        (0.30, 0.2, 0.4, "fail"),
        (0.06, 0.02, 0.09, "unknown"),
        (math.inf, None, None, "fail"),
    ],
)
def test_a_criterion_passes_only_where_the_whole_interval_does(
    value: float | None, low: float | None, high: float | None, outcome: str
) -> None:
    assert criterion().outcome(Finding(value, low=low, high=high)) == outcome


@pytest.mark.parametrize(("value", "outcome"), [(True, "pass"), (False, "fail"), (None, "unknown")])
def test_a_yes_or_no_criterion(value: bool | None, outcome: str) -> None:
    assert criterion(key="fit", comparison="==", threshold=True).outcome(Finding(value)) == outcome
