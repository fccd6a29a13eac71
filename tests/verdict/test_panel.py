"""Ballots: the vote by its rule, the text by what decided it, every number with evidence."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from seatrial.verdict.document import Ballot, Document
from seatrial.verdict.dossier import KEYS, Finding
from seatrial.verdict.narrative import fill
from seatrial.verdict.panel import count_votes
from seatrial.verdict.rubric import CONDITION, PLACEHOLDER, load_rubrics

SENTENCE_END = re.compile(r"[.!?](?= [A-Z0-9$`“]|$)")


def ballots_on(document: Document, candidate: str) -> dict[str, Ballot]:
    return {ballot.reviewer: ballot for ballot in document.ballots if ballot.candidate == candidate}


def outcomes(ballot: Ballot) -> dict[str, str]:
    return {criterion.name: criterion.outcome for criterion in ballot.criteria}


@pytest.fixture(scope="module")
def measured(made: Any, verdict_on: Any) -> Document:
    """A clear winner, a weak one, both baselines, one not measured, one about to retire."""
    run = made.run(
        {
            "big-4": {"triage": made.rights(184, 192)},
            "small-2b": {"triage": [1.0, 0.0, 0.0, 0.0] * 48},
            "old-3": {"triage": made.rights(184, 192)},
            "baseline:nearest": {"triage": made.rights(130, 192)},
            "baseline:majority": {"triage": made.rights(30, 192)},
        },
        clusters={"triage": 8},
        unmeasured=["far-9"],
    )
    old = made.retiring("old-3", date(2026, 12, 11), "new-5", "new-4")
    return verdict_on(run, made.hosted("big-4"), made.entry("small-2b"), old, made.hosted("far-9"))


def test_the_winner_is_shipped_and_the_yardstick_is_not(measured: Document) -> None:
    assert measured.panel["big-4"].ship_pct is not None
    assert measured.panel["big-4"].ship_pct >= 75
    assert measured.panel["baseline:majority"].ships == 0
    assert measured.panel["small-2b"].ships == 0


def test_a_veto_is_a_skip_whatever_else_passes(measured: Document) -> None:
    ballots = ballots_on(measured, "old-3")
    assert ballots["builder"].vetoed
    assert ballots["founder"].vetoed
    assert ballots["builder"].vote == "skip"
    assert outcomes(ballots["builder"])["Does the job"] == "pass"
    assert "11 December 2026" in ballots["founder"].text
    assert not ballots["skeptic"].vetoed


def test_too_little_known_is_an_abstention_and_not_counted(measured: Document) -> None:
    ballots = ballots_on(measured, "far-9")
    assert ballots["builder"].vote == "abstain"
    assert ballots["skeptic"].vote == "abstain"
    assert measured.panel["far-9"].cast == sum(ballot.vote != "abstain" for ballot in ballots.values())


def test_nothing_cast_has_no_percentage() -> None:
    assert count_votes([], ["a"])["a"].ship_pct is None


def test_baselines_are_not_asked_what_does_not_concern_them(measured: Document) -> None:
    asked = {criterion.name for criterion in ballots_on(measured, "baseline:nearest")["skeptic"].criteria}
    assert not asked & {"Rivals on paper", "Claims"}
    assert outcomes(ballots_on(measured, "baseline:nearest")["builder"])["Licence"] == "pass"


def test_structured_output_is_asked_for_only_where_a_workload_has_it(measured: Document) -> None:
    assert "Structured answers" not in outcomes(ballots_on(measured, "big-4")["builder"])


def test_every_text_has_two_to_four_sentences_and_nothing_left_to_fill(measured: Document) -> None:
    for ballot in measured.ballots:
        assert 2 <= len(SENTENCE_END.findall(ballot.text)) <= 4, ballot.text
        assert "{" not in ballot.text
        assert "  " not in ballot.text
        assert ballot.text[0].isupper() or ballot.text[0] in "`“$" or not ballot.text[0].isalpha(), ballot.text


def test_numbers_are_for_people(measured: Document) -> None:
    for ballot in measured.ballots:
        assert not re.search(r"\d\.\d{4}", ballot.text), ballot.text


def test_no_two_candidates_read_alike(measured: Document) -> None:
    for reviewer in ("builder", "skeptic", "futurist", "founder"):
        openings = [b.text.replace(c.name, "X") for b in measured.ballots for c in measured.candidates
                    if b.reviewer == reviewer and b.candidate == c.id]  # fmt: skip
        assert len(set(openings)) == len(openings)


def test_a_split_decision_gives_the_other_side_a_word(measured: Document) -> None:
    ballot = ballots_on(measured, "small-2b")["founder"]
    assert ballot.vote == "skip"
    leads = next(rubric for rubric in load_rubrics() if rubric.id == "founder").voice.in_favour
    assert any(lead in ballot.text for lead in leads)


def test_every_template_of_every_reviewer_can_be_filled() -> None:
    values = {key: Finding(text=f"<{key}>", evidence=("assumed:x",)) for key in (*KEYS, "threshold")}
    for rubric in load_rubrics():
        voice = [text for name in rubric.voice.__struct_fields__ for text in getattr(rubric.voice, name)]
        said = [
            text
            for criterion in rubric.criteria
            for text in (*criterion.passed, *criterion.fail, *criterion.unknown, *criterion.unclear)
        ]
        for template in (*voice, *said):
            text = "".join(span.text for span in fill(template, values))
            bare = CONDITION.sub("", template)
            assert text.count("<") == len(PLACEHOLDER.findall(bare))
            assert not text.startswith(" ")


def test_what_follows_a_lead_is_written_small_except_i_and_names() -> None:
    name = {"name": Finding(text="Big-4", evidence=("catalog:big-4",)), "baseline": Finding(text="the nearest one")}

    def said(template: str, lead: str) -> str:
        return "".join(span.text for span in fill(template, name, lead))

    assert said("It refuses to.", "Still,") == "Still, it refuses to."
    assert said("I see.", "Still,") == "Still, I see."
    assert said("{name} it is.", "Still,") == "Still, Big-4 it is."
    assert said("{baseline} holds.", "Still,") == "Still, the nearest one holds."
    assert said("{baseline} holds.", "") == "The nearest one holds."
    assert said("{?baseline}It holds.", "Still,") == "Still, it holds."
