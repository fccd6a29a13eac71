"""Cards, differing items, latency profiles: what a reader meets beside the figures."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from seatrial.catalog.entry import Licence, PublishedScore
from seatrial.trial.record import Run
from seatrial.verdict.document import CandidateCard, Document


def card_of(document: Document, candidate: str) -> CandidateCard:
    (card,) = [card for card in document.candidates if card.id == candidate]
    return card


def notices_of(card: CandidateCard) -> str:
    return " ".join("".join(span.text for span in notice) for notice in card.notices)


def test_a_retirement_cannot_be_missed_and_conflicting_replacements_are_both_shown(made: Any, verdict_on: Any) -> None:
    entry = made.retiring("old-3", date(2026, 12, 11), "new-5", "new-4")
    notice = notices_of(card_of(verdict_on(made.run({}, unmeasured=["old-3"]), entry), "old-3"))
    assert "Shuts down on 11 December 2026, in 19 days." in notice
    assert "`new-5`" in notice
    assert "`new-4`" in notice
    assert "disagree" in notice


def test_a_retirement_that_has_passed_is_told_in_the_past(made: Any, verdict_on: Any) -> None:
    entry = made.retiring("old-3", date(2026, 11, 1), "new-5")
    notice = notices_of(card_of(verdict_on(made.run({}, unmeasured=["old-3"]), entry), "old-3"))
    assert "Was shut down on 1 November 2026, 21 days ago." in notice


@pytest.mark.parametrize(("on", "shown"), [(date(2027, 11, 22), True), (date(2027, 11, 23), False)])
def test_a_retirement_is_a_notice_for_a_year(on: date, shown: bool, made: Any, verdict_on: Any) -> None:
    document = verdict_on(made.run({}, unmeasured=["old-3"]), made.retiring("old-3", on))
    assert bool(card_of(document, "old-3").notices) is shown


def test_terms_and_refused_parameters_are_notices(made: Any, verdict_on: Any) -> None:
    entry = made.hosted(
        "big-4",
        licence=(made.fact("big-4/licence", Licence("Research License", None, commercial=False)),),
        unsupported_parameters=(made.fact("big-4/refuses", "temperature"),),
    )
    notice = notices_of(card_of(verdict_on(made.run({}, unmeasured=["big-4"]), entry), "big-4"))
    assert "Research License" in notice
    assert "`temperature`" in notice


def test_sources_that_disagree_stand_side_by_side(made: Any, verdict_on: Any) -> None:
    entry = made.hosted("big-4", context_tokens=tuple(
        made.fact(f"big-4/context/{place}", value) for place, value in enumerate((400_000, 272_000, 400_000))
    ))  # fmt: skip
    card = card_of(verdict_on(made.run({}, unmeasured=["big-4"]), entry), "big-4")
    (row,) = [row for row in card.facts if row.label == "Context"]
    assert [span.text for span in row.values] == ["400,000 tokens", "272,000 tokens"]
    assert row.values[0].evidence == ["catalog:big-4/context/0", "catalog:big-4/context/2"]


def test_what_could_not_run_says_why_and_what_would_change_that(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * 40}}, unmeasured=["big-4"])
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    card = card_of(document, "big-4")
    assert (card.measured, card.not_measured, card.way_out) == (False, "No key.", "Set it.")
    assert card_of(document, "small-2b").measured


def test_what_a_stopped_run_did_not_reach_is_repeated_by_the_same_command(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * 40}, "big-4": {"triage": []}})
    card = card_of(verdict_on(run, made.entry("small-2b"), made.hosted("big-4")), "big-4")
    assert (card.measured, card.way_out) == (False, run.manifest.command)
    assert "stopped" in card.not_measured


def test_baselines_and_strangers_have_cards_too(made: Any, verdict_on: Any) -> None:
    run = made.run({"baseline:nearest": {"triage": [1.0] * 40}, "/tmp/checkpoint": {"triage": [1.0] * 40}})
    stranger = msgspec.structs.replace(run.manifest.candidates[1], kind="path", model=None, target="/tmp/checkpoint")
    manifest = msgspec.structs.replace(run.manifest, candidates=[run.manifest.candidates[0], stranger])
    document = verdict_on(Run(manifest=manifest, items=run.items, observations=run.observations))
    baseline, other = document.candidates
    assert (baseline.runs, baseline.entry, baseline.licence) == ("baseline", "free", "none needed")
    assert (other.runs, other.entry, other.licence, other.model) == ("local", "free", "not known", None)


def test_scores_meet_only_in_rows_that_may_be_compared(made: Any, verdict_on: Any) -> None:
    def score(id: str, setting: str, value: float) -> Any:
        return made.fact(f"{id}/{setting}", PublishedScore("GSM8K", "", setting, value, "%", id))

    one = made.entry("a-1", scores=(score("a-1", "base", 60.0), score("a-1", "think", 80.0)), competitors=("c-3",))
    two = made.entry("b-2", scores=(score("b-2", "base", 70.0),))
    three = made.entry("c-3", scores=(score("c-3", "think", 90.0), score("c-3", "5-shot", 95.0)))
    document = verdict_on(made.run({}, unmeasured=["a-1", "b-2"]), one, two, three)
    rows = {
        row.setting: {name: spans[0].text for name, spans in row.scores.items()} for row in document.published_scores
    }
    assert rows == {"base": {"a-1": "60", "b-2": "70"}, "think": {"a-1": "80", "C-3": "90"}}


def test_items_on_which_candidates_differ_come_widest_first(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {
            "small-2b": {"triage": [1.0, 0.0, 0.5, None, *[1.0] * 36]},
            "big-4": {"triage": [1.0, 1.0, 1.0, 1.0, *[1.0] * 36]},
        }
    )
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert [each.item for each in document.item_differences] == ["triage-0001", "triage-0003", "triage-0002"]
    failed = document.item_differences[1].answers[0]
    assert (failed.text, failed.score, failed.failure) == (None, 0.0, "ProviderTimeout: No answer within 60 s.")


def test_latency_profiles_are_sorted_and_thinned_with_both_ends_kept(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * 1_000}})
    observations = [
        msgspec.structs.replace(seen, latency_s=float((index * 7919) % 1_000 + 1))
        for index, seen in enumerate(run.observations)
    ]
    document = verdict_on(
        Run(manifest=run.manifest, items=run.items, observations=observations), made.entry("small-2b")
    )
    (profile,) = document.latency_profiles
    assert len(profile.seconds) == 200
    assert profile.seconds == sorted(profile.seconds)
    assert (profile.seconds[0], profile.seconds[-1]) == (1.0, 1_000.0)
