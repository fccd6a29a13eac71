"""Baselines answer from examples, at no cost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.chat import ChatRequest, Finished, Usage, gather, message
from seatrial.errors import NotRunnable
from seatrial.providers.baseline import MajorityBaseline, NearestBaseline

EXAMPLES = [
    ("Where is my parcel?", "shipping"),
    ("The parcel never arrived", "shipping"),
    ("I was charged twice for one order", "billing"),
    ("Please cancel my subscription", "cancel"),
]


async def answer_of(baseline: MajorityBaseline | NearestBaseline, text: str) -> str:
    turns = (
        message("system", "Sort it."),
        message("user", "an earlier one"),
        message("assistant", "x"),
        message("user", text),
    )
    reply = await gather(baseline.stream(ChatRequest(turns)))
    assert reply.finished == Finished("stop", Usage(0, 0))
    await baseline.close()
    return reply.text


async def test_majority_says_what_is_most_frequent() -> None:
    assert await answer_of(MajorityBaseline(EXAMPLES), "anything") == "shipping"


async def test_majority_of_equals_is_the_first() -> None:
    assert await answer_of(MajorityBaseline([("a", "y"), ("b", "x")]), "b") == "y"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("my parcels have not arrived yet", "shipping"),
        ("CHARGED TWICE!", "billing"),
        ("how do I cancel a subscripton", "cancel"),
        ("漢字", "shipping"),
        ("", "shipping"),
    ],
)
async def test_nearest_answers_as_the_nearest_example(text: str, answer: str) -> None:
    assert await answer_of(NearestBaseline(EXAMPLES), text) == answer


async def test_nearest_finds_every_example_itself() -> None:
    baseline = NearestBaseline(EXAMPLES)
    assert [await answer_of(baseline, text) for text, _ in EXAMPLES] == [answer for _, answer in EXAMPLES]


async def test_examples_without_a_word_leave_the_majority() -> None:
    assert await answer_of(NearestBaseline([(" ", "x"), ("", "y"), ("", "y")]), "hello") == "y"


@pytest.mark.parametrize("baseline", [MajorityBaseline, NearestBaseline])
def test_no_examples(baseline: type) -> None:
    with pytest.raises(NotRunnable, match="examples"):
        baseline([])


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from("abc")), min_size=1, max_size=5), st.text(max_size=20))
async def test_any_text_has_an_answer_of_some_example(examples: list[tuple[str, str]], text: str) -> None:
    assert await answer_of(NearestBaseline(examples), text) in {answer for _, answer in examples}
