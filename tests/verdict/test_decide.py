"""The decision rules of docs/decisions/0002, on runs whose right verdict is known beforehand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from seatrial.catalog.entry import Licence
from seatrial.verdict.document import Document


def plain(document: Document) -> str:
    """The sentence and the reasons."""
    return " ".join(
        [document.verdict.text, *("".join(span.text for span in each) for each in document.verdict.reasons)]
    )


def test_the_cheap_one_ships_when_it_is_shown_to_be_as_good(made: Any, verdict_on: Any) -> None:
    # The dear one is right on 2 of 400 items more: the interval of the difference stays inside three points.
    small = made.rights(360, 400)
    big = [1.0, 1.0, *small[2:]]
    assert (sum(small), sum(big)) == (360, 362)
    run = made.run({"small-2b": {"triage": small}, "big-4": {"triage": big}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "small-2b")
    assert document.verdict.expected_quality == pytest.approx(0.9)
    assert document.verdict.expected_cost_per_1k_usd is not None
    assert document.verdict.expected_cost_per_1k_usd < 0.1
    assert "within 3 points of `big-4`" in document.verdict.text


def test_the_dear_one_ships_when_it_is_clearly_better(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": made.rights(200, 300)}, "big-4": {"triage": made.rights(280, 300)}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "big-4")


def test_open_intervals_are_undecided_and_say_how_many_more_items(made: Any, verdict_on: Any) -> None:
    # They differ on 40 items, 18 against 22: one point apart, interval about ±4 points around it.
    run = made.run({"small-2b": {"triage": made.rights(262, 300)}, "big-4": {"triage": made.rights(266, 300, 20)}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("undecided", None)
    assert document.verdict.more_items is not None
    assert document.verdict.more_items > 300
    assert "more items would settle it" in document.verdict.text
    assert document.verdict.expected_quality is None


def test_the_dear_one_has_to_earn_its_price(made: Any, verdict_on: Any) -> None:
    # The cheap one is nominally ahead; that the dear one might be better holds nothing up.
    run = made.run({"small-2b": {"triage": made.rights(266, 300)}, "big-4": {"triage": made.rights(262, 300, 20)}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "small-2b")


def test_of_equals_the_cheaper_ships_and_of_equal_cost_the_first_by_name(made: Any, verdict_on: Any) -> None:
    scores = made.rights(280, 300)
    run = made.run({"b-2b": {"triage": scores}, "a-2b": {"triage": scores}, "big-4": {"triage": scores}})
    document = verdict_on(run, made.entry("a-2b"), made.entry("b-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "a-2b")
    assert "measure the same" in plain(document)


def test_different_winners_on_different_workloads_make_a_mix(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {
            "small-2b": {"triage": made.rights(180, 200), "extract": made.rights(30, 100)},
            "big-4": {"triage": made.rights(120, 200), "extract": made.rights(95, 100)},
        }
    )
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    verdict = document.verdict
    assert verdict.decision == "mix"
    assert verdict.mix == {"small-2b": pytest.approx(2 / 3), "big-4": pytest.approx(1 / 3)}
    assert verdict.candidate == "small-2b"
    assert verdict.expected_quality == pytest.approx(275 / 300)
    assert "`small-2b` for `triage` and `big-4` for `extract`" in verdict.text


def test_an_advantage_inside_the_margin_makes_no_mix(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {
            "small-2b": {"triage": made.rights(290, 300), "extract": made.rights(290, 300)},
            "big-4": {"triage": made.rights(240, 300), "extract": made.rights(294, 300)},
        }
    )
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "small-2b")


def test_a_baseline_can_win_and_the_verdict_says_that_no_model_is_needed(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {
            "small-2b": {"triage": made.rights(100, 300)},
            "baseline:nearest": {"triage": made.rights(270, 300)},
            "baseline:majority": {"triage": made.rights(60, 300)},
        }
    )
    document = verdict_on(run, made.entry("small-2b"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "baseline:nearest")
    assert "no model" in document.verdict.text


def test_the_majority_baseline_never_wins(made: Any, verdict_on: Any) -> None:
    # A workload so lopsided that a constant is right on 95 % of it, and the model no better.
    scores = made.rights(285, 300)
    run = made.run({"small-2b": {"triage": scores}, "baseline:majority": {"triage": scores}})
    document = verdict_on(run, made.entry("small-2b"))
    assert document.verdict.decision == "skip"
    assert "constant answer" in plain(document)


def test_what_is_wrong_more_often_than_right_is_skipped_even_if_it_is_the_best(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {"small-2b": {"triage": made.rights(90, 300)}, "baseline:majority": {"triage": made.rights(30, 300)}}
    )
    document = verdict_on(run, made.entry("small-2b"))
    assert (document.verdict.decision, document.verdict.candidate) == ("skip", None)
    assert document.panel["small-2b"].ship_pct == 0


def test_a_workload_that_nobody_can_do_is_named_and_left_out(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {
            "small-2b": {"triage": made.rights(280, 300), "arithmetic": made.rights(10, 100)},
            "baseline:majority": {"triage": made.rights(60, 300), "arithmetic": made.rights(2, 100)},
        }
    )
    document = verdict_on(run, made.entry("small-2b"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "small-2b")
    assert "ship nothing for `arithmetic`" in document.verdict.text
    assert document.verdict.expected_quality == pytest.approx(280 / 300)


def test_a_failed_request_counts_as_a_wrong_answer(made: Any, verdict_on: Any) -> None:
    perfect = [1.0] * 300
    broken = [None if index % 3 == 0 else 1.0 for index in range(300)]
    run = made.run({"small-2b": {"triage": broken}, "big-4": {"triage": perfect}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "big-4")
    quality = next(c for c in document.claims if (c.key, c.candidate, c.workload) == ("quality", "small-2b", "triage"))
    assert quality.value == pytest.approx(2 / 3)
    assert quality.n == 300


@pytest.mark.parametrize(
    ("days", "decision"), [(19, "skip"), (0, "skip"), (-30, "skip"), (89, "skip"), (90, "ship"), (800, "ship")]
)
def test_a_retirement_within_90_days_is_a_veto(days: int, decision: str, made: Any, verdict_on: Any) -> None:
    entry = made.retiring("old-3", made.today + timedelta(days=days), "new-5")
    run = made.run({"old-3": {"triage": made.rights(290, 300)}})
    document = verdict_on(run, entry)
    assert document.verdict.decision == decision
    assert any(ballot.vetoed for ballot in document.ballots) == (decision == "skip")


def test_the_veto_gives_way_to_the_second_best(made: Any, verdict_on: Any) -> None:
    old = made.retiring("old-3", date(2026, 12, 11), "new-5", "new-4")
    run = made.run({"old-3": {"triage": made.rights(295, 300)}, "small-2b": {"triage": made.rights(240, 300)}})
    document = verdict_on(run, old, made.entry("small-2b"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "small-2b")
    assert "`old-3` is ruled out: it shuts down on 11 December 2026, in 19 days" in plain(document)


def test_a_non_commercial_licence_is_a_veto_only_for_commerce(made: Any, verdict_on: Any) -> None:
    entry = made.entry(
        "closed-1", licence=(made.fact("closed-1/licence", Licence("Research License", None, commercial=False)),)
    )
    run = made.run({"closed-1": {"triage": made.rights(290, 300)}})
    commercial = verdict_on(run, entry, purpose="commercial")
    assert commercial.verdict.decision == "skip"
    assert {ballot.reviewer for ballot in commercial.ballots if ballot.vetoed} == {"builder", "founder"}
    research = verdict_on(run, entry, purpose="research")
    assert (research.verdict.decision, research.verdict.candidate) == ("ship", "closed-1")


def test_nothing_measured_is_undecided_and_names_who_is_ruled_out(made: Any, verdict_on: Any) -> None:
    run = made.run({}, unmeasured=["small-2b", "old-3"])
    document = verdict_on(run, made.entry("small-2b"), made.retiring("old-3", date(2026, 12, 11)))
    assert (document.verdict.decision, document.verdict.candidate) == ("undecided", None)
    assert "`old-3` is ruled out" in document.verdict.text
    assert "seatrial compare small-2b --on" in plain(document)


def test_nothing_measured_and_everything_vetoed_is_a_skip(made: Any, verdict_on: Any) -> None:
    document = verdict_on(made.run({}, unmeasured=["old-3"]), made.retiring("old-3", date(2026, 12, 11)))
    assert document.verdict.decision == "skip"
    assert document.verdict.text == "Skip `old-3`: ruled out, whatever it can do."


def test_a_candidate_measured_in_part_cannot_win(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * 100}}, planned={"triage": 200})
    document = verdict_on(run, made.entry("small-2b"))
    assert document.verdict.decision == "undecided"
    assert "every item" in document.verdict.text


def test_a_candidate_that_could_not_run_is_named_and_does_not_hold_the_verdict_up(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": made.rights(290, 300)}}, unmeasured=["far-9"])
    document = verdict_on(run, made.entry("small-2b"), made.hosted("far-9"))
    assert (document.verdict.decision, document.verdict.candidate) == ("ship", "small-2b")
    assert "`far-9` was not measured here" in plain(document)


@pytest.mark.parametrize("n", [1, 2, 5, 29])
def test_fewer_than_thirty_items_settle_nothing(n: int, made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * n}, "big-4": {"triage": [0.0] * n}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert document.verdict.decision in ("undecided", "skip")
    assert document.verdict.candidate is None


def test_a_few_items_more_are_asked_for_by_number(made: Any, verdict_on: Any) -> None:
    document = verdict_on(made.run({"small-2b": {"triage": [1.0] * 20}}), made.entry("small-2b"))
    assert document.verdict.decision == "undecided"
    assert document.verdict.more_items == 10


def test_not_shown_to_beat_a_constant_is_undecided(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {"small-2b": {"triage": made.rights(66, 100)}, "baseline:majority": {"triage": made.rights(60, 100, 30)}}
    )
    document = verdict_on(run, made.entry("small-2b"))
    assert document.verdict.decision == "undecided"
    assert "constant answer" in document.verdict.text
    assert document.verdict.more_items


def test_around_the_floor_is_undecided(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {"small-2b": {"triage": made.rights(92, 200)}, "baseline:majority": {"triage": made.rights(20, 200, 90)}}
    )
    document = verdict_on(run, made.entry("small-2b"))
    assert document.verdict.decision == "undecided"
    assert "floor of 50 %" in document.verdict.text
    assert document.verdict.more_items
    assert document.panel["small-2b"].cast < 4


def test_holm_guards_against_striking_lucky_on_one_of_many_workloads(made: Any, verdict_on: Any) -> None:
    # Alone, 12 against 2 discordant items is p = 0.013; among four workloads that is 0.052.
    def pair(only_a: int, only_b: int, n: int = 100) -> tuple[list[float], list[float]]:
        a = [1.0] * only_a + [0.0] * only_b + [1.0] * (n - only_a - only_b)
        b = [0.0] * only_a + [1.0] * only_b + [1.0] * (n - only_a - only_b)
        return a, b

    lucky, level = pair(12, 2), pair(5, 5)
    for names, beats in ((["w1"], True), (["w1", "w2", "w3", "w4"], False)):
        pairs = {name: lucky if name == "w1" else level for name in names}
        run = made.run({"a-2b": {n: p[0] for n, p in pairs.items()}, "b-2b": {n: p[1] for n, p in pairs.items()}})
        document = verdict_on(run, made.entry("a-2b"), made.entry("b-2b"))
        claim = next(
            c for c in document.claims if (c.key, c.candidate, c.against, c.workload) == ("beats", "a-2b", "b-2b", "w1")
        )
        assert claim.p_value == pytest.approx(0.01294, abs=1e-4)
        assert claim.value is beats


def test_the_panel_can_stop_what_measures_well(made: Any, verdict_on: Any) -> None:
    # Dear, slow, failing on a tenth of its requests and refusing parameters: right often enough, and voted down.
    from seatrial.catalog.entry import Price

    entry = made.hosted(
        "dear-1",
        Price(input_usd=90.0, output_usd=400.0),
        unsupported_parameters=(made.fact("dear-1/refuses", "temperature"),),
        context_tokens=(made.fact("dear-1/context", 2_000),),
        released=(made.fact("dear-1/released", date(2023, 1, 1)),),
        retirement=made.retiring("dear-1", date(2027, 4, 1)).retirement,
    )
    scores = [None if index % 10 == 0 else float(index % 5 > 1) for index in range(300)]
    run = made.run({"dear-1": {"triage": scores}}, latency_s={"dear-1": 40.0})
    document = verdict_on(run, entry)
    count = document.panel["dear-1"]
    assert count.cast - count.ships > count.ships
    assert document.verdict.decision == "skip"
    assert "panel" in plain(document)
