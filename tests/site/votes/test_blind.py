from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from settable_clock import SettableClock

from seatrial.errors import UsageError
from seatrial.site.security.tokens import Tokens
from seatrial.site.votes.blind import (
    Pair,
    choice_of,
    next_pair,
    num_pairs,
    read_token,
    reveal,
    token_of,
)
from seatrial.site.votes.subject import TIE, subject_of
from seatrial.verdict.document import AnswerShown, ItemDifference, RunInfo

SECRET = b"s" * 32


def difference(item: str, *answers: tuple[str, str | None, str]) -> ItemDifference:
    return ItemDifference(
        workload="triage",
        item=item,
        input=f"What about {item}?",
        expected="yes",
        cluster=None,
        answers=[
            AnswerShown(candidate=candidate, text=text, score=0.0, failure=failure)
            for candidate, text, failure in answers
        ],
    )


def document(*differences: ItemDifference) -> Any:
    """The parts of a document that a blind comparison reads."""
    run = RunInfo(
        id="run-1",
        created_at=datetime(2026, 11, 16, tzinfo=UTC),
        decided_on=date(2026, 11, 16),
        repeat="",
        seed=0,
        margin=0.03,
        purpose="commercial",
        concurrency=1,
        seatrial_version="0",
        environments=[],
    )
    return SimpleNamespace(run=run, item_differences=list(differences))


ITEMS = document(*(difference(str(n), ("small", f"short {n}", ""), ("large", f"long {n}", "")) for n in range(20)))


def shown(reader: str, done: set[str] | None = None) -> Pair:
    pair = next_pair(ITEMS, reader, done or set(), SECRET)
    assert pair is not None
    return pair


def test_a_reader_sees_every_pair_once_and_the_same_again_until_they_vote() -> None:
    done: set[str] = set()
    while (pair := next_pair(ITEMS, "reader", done, SECRET)) is not None:
        assert next_pair(ITEMS, "reader", done, SECRET) == pair
        assert {pair.left.candidate, pair.right.candidate} == {"small", "large"}
        assert subject_of(pair.subject.key) == pair.subject
        done.add(pair.subject.key)
    assert len(done) == num_pairs(ITEMS) == 20


def test_sides_and_order_are_as_good_as_random() -> None:
    pairs = [shown(str(reader)) for reader in range(2000)]
    left = Counter(pair.left.candidate for pair in pairs)
    items = Counter(pair.subject.key for pair in pairs)
    assert 900 < left["small"] < 1100
    assert len(items) == 20
    assert max(items.values()) < 150
    other = [next_pair(ITEMS, str(reader), set(), b"o" * 32) for reader in range(100)]
    assert [each.left for each in pairs[:100]] != [each.left for each in other if each]


def test_the_token_brings_the_pair_back_and_says_nothing_of_the_sides() -> None:
    tokens = Tokens(SECRET, clock=SettableClock())
    for reader in range(50):
        pair = shown(str(reader))
        token = token_of(pair, tokens)
        said = tokens.read("blind", token, 60)
        assert msgspec.json.decode(said) == [str(reader), pair.subject.key]
        assert read_token(token, ITEMS, SECRET, tokens) == pair


def test_a_token_that_is_spoilt_old_or_of_another_document_is_refused() -> None:
    clock = SettableClock()
    tokens = Tokens(SECRET, clock=clock)
    token = token_of(shown("reader"), tokens)
    for bad in ("", "x", token[:-2], Tokens(b"other", clock=clock).sign("blind", '["a","b"]'), token + "é"):
        with pytest.raises(UsageError):
            read_token(bad, ITEMS, SECRET, tokens)
    with pytest.raises(UsageError, match="changed"):
        read_token(token, document(), SECRET, tokens)
    clock.advance(hours=25)
    with pytest.raises(UsageError):
        read_token(token, ITEMS, SECRET, tokens)


def test_a_button_stands_for_the_candidate_that_was_there() -> None:
    pair = shown("reader")
    assert choice_of(pair, "left") == pair.left.candidate
    assert choice_of(pair, "right") == pair.right.candidate
    assert choice_of(pair, "tie") == TIE
    assert set(pair.subject.choices) == {"small", "large", TIE}
    with pytest.raises(UsageError):
        choice_of(pair, "small")


def test_after_the_vote_everything_is_said() -> None:
    pair = shown("reader")
    told = reveal(pair, choice_of(pair, "left"), ITEMS)
    assert (told.left, told.right, told.expected) == (pair.left, pair.right, "yes")
    assert told.preferred == pair.left.candidate
    assert reveal(pair, TIE, ITEMS).preferred is None


@pytest.mark.parametrize(
    ("differences", "num"),
    [
        ([], 0),
        ([difference("1", ("a", "same", ""), ("b", " same ", ""))], 0),
        ([difference("1", ("a", "x", ""), ("b", None, "timeout"))], 0),
        ([difference("1", ("a", "x", ""), ("b", "y", "cut off"))], 0),
        ([difference("1", ("a", "x", ""), ("b", "", ""))], 0),
        ([difference("1", ("a", "x", ""), ("b", "y", ""), ("c", "z", ""))], 3),
        ([difference("1", ("a", "x", ""), ("tie", "y", ""))], 0),
        ([difference("n" * 400, ("a", "x", ""), ("b", "y", ""))], 0),
        ([difference("1", ("a" * 301, "x", ""), ("b", "y", ""))], 0),
    ],
)
def test_only_answers_that_are_there_and_differ_are_compared(differences: list[ItemDifference], num: int) -> None:
    assert num_pairs(document(*differences)) == num
    assert (next_pair(document(*differences), "reader", set(), SECRET) is None) == (num == 0)
