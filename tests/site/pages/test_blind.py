"""Judging blind: nothing of a name before the vote, all of it after."""

from __future__ import annotations

import json
from typing import Any

import page_rules
import pytest
from site_samples import replaced, run_document

from seatrial.site.library import Comparison
from seatrial.site.pages.blind import blind_page, reveal_page, view_ranks
from seatrial.site.rendering import Renderer
from seatrial.site.votes.blind import Pair, next_pair, num_pairs, reveal
from seatrial.stats.estimate import NotEnough
from seatrial.stats.pairwise import Outcome, bradley_terry
from seatrial.verdict.document import Document

CANDIDATES = ("smollm2-135m", "baseline:nearest")


def run_of_two(**changes: Any) -> Document:
    """A run of the two, its items' answers theirs alone."""
    document = run_document("run-1", candidates=CANDIDATES)
    items = [
        replaced(item, answers=[answer for answer in item.answers if answer.candidate in CANDIDATES])
        for item in document.item_differences
    ]
    return replaced(document, **{"item_differences": items, **changes})


@pytest.fixture
def comparison(own_library: Any) -> Comparison:
    return own_library.publish(run_of_two())


def pair_of(document: Document) -> Pair:
    pair = next_pair(document, "reader", set(), b"secret")
    assert pair is not None
    return pair


def test_the_page_before_the_vote_does_not_say_which_is_which(comparison: Comparison, shown: Any) -> None:
    pair = pair_of(comparison.document)
    page = blind_page(comparison, pair, "token-1", num_done=2, num_pairs=9)
    tree = shown(page)
    body = tree.by_id("main")
    (question,) = body.all("div", "blind")
    for candidate in CANDIDATES:
        assert candidate not in question.text
        assert candidate not in json.dumps(page.data())
    assert "SmolLM2" not in question.text
    assert [article.all("pre")[0].text for article in question.all("article")] == [
        " ".join(text.split()) for text in pair.texts
    ]
    assert "2 of 9 judged" in body.text
    assert not page.frame.is_indexed


def test_the_form_carries_the_token_and_a_side(comparison: Comparison, shown: Any) -> None:
    tree = shown(blind_page(comparison, pair_of(comparison.document), "token-1"))
    (form,) = [form for form in tree.all("form") if form.attributes.get("method") == "post"]
    assert form.attributes["action"] == f"/blind/{comparison.slug}"
    assert [field.attributes["value"] for field in form.all("input")] == ["token-1"]
    assert [button.attributes["value"] for button in form.all("button")] == ["left", "right", "tie"]


def test_after_the_vote_names_scores_and_what_was_expected_are_there(comparison: Comparison, shown: Any) -> None:
    pair = pair_of(comparison.document)
    page = reveal_page(comparison, pair, reveal(pair, pair.left.candidate, comparison.document), num_left=3)
    text = shown(page).by_id("main").text
    assert page.left.is_preferred
    assert not page.right.is_preferred
    assert {page.left.name, page.right.name} == {"SmolLM2-135M", "Nearest example"}
    assert f"You chose {page.left.name}" in text
    assert "3 left" in text
    assert page.expected in text
    tie = reveal_page(comparison, pair, reveal(pair, "tie", comparison.document))
    assert tie.is_tie
    assert "You saw no difference" in shown(tie).by_id("main").text


def test_who_is_through_sees_the_ranks_and_nobody_before(comparison: Comparison, shown: Any) -> None:
    first, second = CANDIDATES
    outcomes = [Outcome(first, second, float(place % 4 > 0), cluster=f"voter {place}") for place in range(40)]
    ranks = view_ranks(bradley_terry(outcomes), comparison.document)
    assert [rank.name for rank in ranks.lines] == ["SmolLM2-135M", "Nearest example"]
    assert [rank.place for rank in ranks.lines] == ["1", "2"]
    done = shown(blind_page(comparison, None, num_done=9, num_pairs=9, ranks=ranks)).by_id("main").text
    assert "You have judged every pair" in done
    assert "1SmolLM2-135M63.4%" in done
    before = blind_page(comparison, pair_of(comparison.document), "t", ranks=ranks)
    assert before.ranks is None


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        (NotEnough(7, 20, "Bradley-Terry over voters"), "7 of the 20 readers that a ranking needs"),
        (NotEnough(30, 31, "Bradley-Terry"), "not enough data"),
    ],
)
def test_without_a_ranking_it_says_why(comparison: Comparison, shown: Any, lacking: NotEnough, says: str) -> None:
    ranks = view_ranks(lacking, comparison.document)
    assert says in shown(blind_page(comparison, None, ranks=ranks)).by_id("main").text


def test_hostile_items_and_answers_stay_texts(own_library: Any, shown: Any) -> None:
    document = run_of_two()
    hostile = page_rules.HOSTILE
    items = [
        replaced(
            item,
            input=hostile,
            expected={"x": hostile},
            answers=[replaced(answer, text=f"{hostile} {place}") for place, answer in enumerate(item.answers)],
        )
        for item in document.item_differences
    ]
    comparison = own_library.publish(replaced(document, item_differences=items))
    assert num_pairs(comparison.document)
    pair = pair_of(comparison.document)
    assert not shown(blind_page(comparison, pair, "t")).all("img")
    page = reveal_page(comparison, pair, reveal(pair, "tie", comparison.document))
    assert not shown(page).all("img")
    assert json.loads(Renderer("https://example.org").twin(page))
