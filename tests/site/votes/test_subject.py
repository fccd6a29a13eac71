from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.site.votes.subject import (
    Subject,
    blind_subject,
    model_subject,
    pair_subject,
    parts_of,
    subject_of,
)

names = st.text(min_size=1, max_size=20)


def test_keys_read_as_what_they_are() -> None:
    assert model_subject("smollm3-3b").key == "model:smollm3-3b"
    assert pair_subject("smollm3-3b", "gpt-5-mini").key == "pair:gpt-5-mini:smollm3-3b"
    assert parts_of("blind:r:w:a%3Ab:x:y") == ("blind", "r", "w", "a:b", "x", "y")


@given(names, names, names, names, names)
def test_a_key_gives_its_subject_back(run: str, workload: str, item: str, first: str, second: str) -> None:
    subjects: list[Subject] = [model_subject(first)]
    if first != second:
        subjects.append(pair_subject(first, second))
    if len({first, second, "tie"}) == 3:
        subjects.append(blind_subject(run, workload, item, first, second))
    for subject in subjects:
        assert subject_of(subject.key) == subject


@given(names, names)
def test_no_name_is_mistaken_for_another_subject(first: str, second: str) -> None:
    assert (model_subject(first).key == model_subject(second).key) == (first == second)
    assert parts_of(model_subject(first).key) == ("model", first)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "model",
        "model:a:b",
        "pair:b:a",
        "pair:a:a",
        "model:a b",
        "model:%61",
        "run:x",
        "blind:r:w:i:tie:x",
        "MODEL:a",
    ],
)
def test_what_is_no_subject_is_refused(key: str) -> None:
    with pytest.raises(UsageError):
        subject_of(key)
