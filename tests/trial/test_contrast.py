"""Items that tell candidates apart come first, in an order that no log can change."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from seatrial.trial.contrast import most_contrasting, most_telling


def test_the_widest_spread_comes_first_then_the_evenest_split_then_the_id() -> None:
    scores = {
        "d": [0.0, 1.0, 1.0],
        "c": [0.0, 1.0, 0.5],
        "b": [0.0, 1.0, 1.0],
        "a": [0.2, 0.4, 0.2],
        "same": [1.0, 1.0, 1.0],
    }
    assert most_contrasting(scores) == ["c", "b", "d", "a"]


def test_where_nobody_can_differ_there_is_nothing_to_look_at() -> None:
    assert most_contrasting({"a": [1.0], "b": []}) == []
    assert most_contrasting({}) == []


def test_items_that_all_failed_come_behind_those_that_differ_and_before_those_that_all_got_right() -> None:
    scores = {"right": [1.0, 1.0], "b": [0.0, 0.0], "a": [0.0], "half": [0.5, 0.5], "differs": [0.0, 1.0], "none": []}
    assert most_telling(scores) == ["differs", "a", "b", "half", "right"]
    assert most_telling({}) == []


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=4), st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=4)
    ),
    st.randoms(),
)
def test_the_order_in_which_answers_came_plays_no_part(scores: dict[str, list[float]], rng: random.Random) -> None:
    names = list(scores)
    rng.shuffle(names)
    found = most_contrasting({name: rng.sample(scores[name], len(scores[name])) for name in names})
    assert found == most_contrasting(scores)
    assert set(found) == {name for name, each in scores.items() if len(set(each)) > 1}
