"""What visitors think is shown from 20 voters on, with its interval, and never as a figure below."""

from __future__ import annotations

import pytest
import site_samples
from hypothesis import given
from hypothesis import strategies as st
from site_samples import MadeUpOpinions

from seatrial.site.pages.community import (
    MOST_PAIRS,
    community_data,
    community_figures,
    share_of,
    view_community,
)
from seatrial.site.votes.subject import model_subject, pair_subject
from seatrial.verdict.report.names import name_candidates

DOCUMENT = site_samples.run_document(candidates=("gpt-5-mini", "smollm3-3b"))
NAMES = name_candidates(DOCUMENT.candidates)
GPT, PAIR = model_subject("gpt-5-mini").key, pair_subject("gpt-5-mini", "smollm3-3b").key


@pytest.mark.parametrize(
    ("votes", "figure", "note"),
    [
        ({}, "—", "no votes yet"),
        ({GPT: {"ship": 1}}, "—", "1 voter; shown from 20"),
        ({GPT: {"ship": 12, "skip": 7}}, "—", "19 voters; shown from 20"),
        ({GPT: {"ship": 12, "skip": 8}}, "60%", "39–78%, 20 voters"),
        ({GPT: {"skip": 30}}, "0%", "0–11%, 30 voters"),
        ({GPT: {"ship": 30}}, "100%", "89–100%, 30 voters"),
    ],
)
def test_a_card_shows_a_share_only_when_enough_have_voted(
    votes: dict[str, dict[str, int]], figure: str, note: str
) -> None:
    shown = community_figures(NAMES, MadeUpOpinions(votes))["gpt-5-mini"]
    assert (shown.figure, shown.note) == (figure, note)


def test_every_model_and_every_pair_has_a_form() -> None:
    view = view_community(DOCUMENT, NAMES, MadeUpOpinions())
    assert [vote.subject for vote in view.models] == [model_subject(each).key for each in NAMES]
    assert [choice.value for choice in view.models[0].choices] == ["ship", "skip"]
    (pair,) = view.pairs
    assert pair.subject == PAIR
    assert {choice.value for choice in pair.choices} == {"gpt-5-mini", "smollm3-3b"}
    assert all(choice.share == "" and choice.bar is None for choice in pair.choices)


def test_the_choices_of_a_pair_stand_in_the_order_of_the_page() -> None:
    view = view_community(DOCUMENT, NAMES, MadeUpOpinions({PAIR: {"gpt-5-mini": 5, "smollm3-3b": 35}}))
    shares = {choice.value: choice.share for choice in view.pairs[0].choices}
    assert shares == {"gpt-5-mini": "12%", "smollm3-3b": "88%"}
    assert [choice.value for choice in view.pairs[0].choices] == list(NAMES)


def test_many_candidates_have_a_bounded_number_of_forms() -> None:
    document = site_samples.run_document()
    view = view_community(document, name_candidates(document.candidates), MadeUpOpinions())
    assert len(view.pairs) == MOST_PAIRS
    assert view.num_pairs_left_out == 10 - MOST_PAIRS


def test_a_name_too_long_for_the_database_takes_no_votes() -> None:
    card = site_samples.replaced(DOCUMENT.candidates[0], id="/" * 290)
    document = site_samples.replaced(DOCUMENT, candidates=[card, DOCUMENT.candidates[1]])
    view = view_community(document, name_candidates(document.candidates), MadeUpOpinions())
    assert len(view.models) == 1
    assert view.pairs == []


def test_the_twin_gives_the_shares_unrounded_or_null() -> None:
    data = community_data(DOCUMENT, MadeUpOpinions({GPT: {"ship": 2, "skip": 1}, PAIR: {"gpt-5-mini": 21}}))
    assert data["min_voters"] == 20
    assert data["models"]["gpt-5-mini"] == {"num_voters": 3, "shares": None}
    shares = data["pairs"][0]["shares"]
    assert shares["gpt-5-mini"]["value"] == 1
    assert shares["smollm3-3b"]["value"] == 0
    assert 0 < shares["smollm3-3b"]["high"] < 0.2


@given(ships=st.integers(0, 500), skips=st.integers(0, 500))
def test_shares_of_two_choices_mirror_each_other(ships: int, skips: int) -> None:
    votes = {choice: n for choice, n in (("ship", ships), ("skip", skips)) if n}
    opinion = MadeUpOpinions({GPT: votes}).of(GPT)
    ship, skip = share_of(opinion, "ship", "skip"), share_of(opinion, "skip", "ship")
    if ships + skips < 20:
        assert ship is None
        assert skip is None
    else:
        assert ship is not None
        assert skip is not None
        assert ship.value + skip.value == pytest.approx(1)
        assert ship.low == pytest.approx(1 - skip.high, abs=1e-9)
        assert 0 <= ship.low <= ship.value + 1e-9 <= ship.high + 2e-9 <= 1 + 2e-9
