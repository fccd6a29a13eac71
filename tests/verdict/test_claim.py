"""Claims about one candidate and about pairs: figures, intervals, and the word that there is too little data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from seatrial.trial.record import Run
from seatrial.verdict.document import KEYS, Claim, Document
from seatrial.verdict.slices import slices_of


def find(document: Document, key: str, candidate: str, workload: str | None, against: str | None = None) -> Claim:
    (claim,) = [
        c for c in document.claims if (c.key, c.candidate, c.workload, c.against) == (key, candidate, workload, against)
    ]
    return claim


def with_starts(run: Run, starts_s: list[float], latencies_s: list[float]) -> Run:
    """The run's observations at other times."""
    first = run.observations[0].started_at
    observations = [
        msgspec.structs.replace(seen, started_at=first + timedelta(seconds=start), latency_s=latency, ttft_s=None)
        for seen, start, latency in zip(run.observations, starts_s, latencies_s, strict=True)
    ]
    return Run(manifest=run.manifest, items=run.items, observations=observations)


def test_every_claim_is_of_a_documented_key_and_has_an_id_of_its_own(made: Any, verdict_on: Any) -> None:
    scores = {"triage": made.rights(60, 96), "extract": [0.5, 1.0] * 40}
    run = made.run({"small-2b": scores, "big-4": scores}, clusters={"triage": 8}, structured=["extract"])
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert {claim.key for claim in document.claims} == set(KEYS)
    assert len({claim.id for claim in document.claims}) == len(document.claims)


def test_right_or_wrong_answers_get_wilsons_interval(made: Any, verdict_on: Any) -> None:
    # Wilson's interval for 8 of 10, as Brown, Cai and DasGupta give it.
    document = verdict_on(made.run({"small-2b": {"triage": made.rights(8, 10)}}), made.entry("small-2b"))
    claim = find(document, "quality", "small-2b", "triage")
    assert (claim.value, claim.n) == (0.8, 10)
    assert claim.low == pytest.approx(0.490, abs=5e-4)
    assert claim.high == pytest.approx(0.943, abs=5e-4)


def test_clusters_widen_the_interval(made: Any, verdict_on: Any) -> None:
    scores = {"small-2b": {"triage": [1.0] * 80 + [0.0] * 40}}
    alone = find(verdict_on(made.run(scores), made.entry("small-2b")), "quality", "small-2b", "triage")
    shared = find(
        verdict_on(made.run(scores, clusters={"triage": 10}), made.entry("small-2b")), "quality", "small-2b", "triage"
    )
    assert shared.value == alone.value
    assert shared.high - shared.low > 2 * (alone.high - alone.low)


def test_one_item_is_not_enough_for_a_difference(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0]}, "big-4": {"triage": [0.0]}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    for key in ("quality_difference", "beats", "non_inferior"):
        claim = find(document, key, "small-2b", "triage", "big-4")
        assert claim.value is None
        assert "not enough data" in claim.note


def test_the_tail_of_the_latency_is_stated_only_where_the_items_bear_it(made: Any, verdict_on: Any) -> None:
    document = verdict_on(made.run({"small-2b": {"triage": made.rights(80, 100)}}), made.entry("small-2b"))
    assert find(document, "latency_p95_s", "small-2b", "triage").value is not None
    p99 = find(document, "latency_p99_s", "small-2b", "triage")
    assert p99.value is None
    assert "not enough data" in p99.note


def test_differences_mirror(made: Any, verdict_on: Any) -> None:
    run = made.run(
        {"small-2b": {"triage": made.rights(60, 96)}, "big-4": {"triage": made.rights(80, 96, 40)}},
        clusters={"triage": 8},
    )
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    there = find(document, "quality_difference", "small-2b", "triage", "big-4")
    back = find(document, "quality_difference", "big-4", "triage", "small-2b")
    assert isinstance(there.value, float)
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)
    assert there.value == pytest.approx(-20 / 96)
    assert there.p_value == back.p_value


def test_differences_are_over_the_items_that_both_were_asked(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * 60}, "big-4": {"triage": [1.0] * 40}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"))
    assert find(document, "quality_difference", "small-2b", "triage", "big-4").n == 40
    assert find(document, "quality", "small-2b", "triage").n == 60


def test_an_answer_that_cannot_be_read_is_not_valid_output(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"extract": [1.0] * 40}}, structured=["extract"])
    observations = [
        msgspec.structs.replace(seen, parsed=None) if index % 4 == 0 else seen
        for index, seen in enumerate(run.observations)
    ]
    run = Run(manifest=run.manifest, items=run.items, observations=observations)
    document = verdict_on(run, made.entry("small-2b"))
    assert find(document, "valid_output_rate", "small-2b", "extract").value == pytest.approx(0.75)


def test_the_worst_cluster_is_named_and_its_interval_allows_for_the_search(made: Any, verdict_on: Any) -> None:
    scores = [1.0] * 96
    scores[16:24] = [0.0] * 8
    document = verdict_on(made.run({"small-2b": {"triage": scores}}, clusters={"triage": 8}), made.entry("small-2b"))
    claim = find(document, "worst_cluster", "small-2b", "triage")
    assert claim.value == 0
    assert claim.note.startswith("customer 2: lowest of 12 clusters of 5 items or more, 8 items")
    # Eight wrong of eight, at 5 % divided by 12 clusters: 1 - (0.05 / 12 / 2) ** (1/8).
    assert claim.high == pytest.approx(1 - (0.05 / 24) ** (1 / 8), abs=1e-6)


def test_throughput_counts_the_time_in_which_anything_was_under_way(made: Any, verdict_on: Any) -> None:
    # Two at once from 0 to 10 and from 5 to 15, a pause, one from 100 to 105: busy for 20 s.
    run = with_starts(made.run({"small-2b": {"triage": [1.0] * 3}}), [0.0, 5.0, 100.0], [10.0, 10.0, 5.0])
    ((_, each),) = slices_of(run).items()
    assert each.busy_s == pytest.approx(20.0)
    document = verdict_on(run, made.entry("small-2b"))
    assert find(document, "throughput_per_hour", "small-2b", "triage").value == pytest.approx(3 * 3600 / 20)


def test_the_later_of_two_answers_to_an_item_stands(made: Any) -> None:
    run = made.run({"small-2b": {"triage": [0.0, 0.0]}})
    later = msgspec.structs.replace(
        run.observations[0], key="again", score=1.0, started_at=run.observations[0].started_at + timedelta(hours=1)
    )
    for observations in ([later, *run.observations], [*run.observations, later]):
        ((_, each),) = slices_of(Run(manifest=run.manifest, items=run.items, observations=observations)).items()
        assert each.scores == [1.0, 0.0]


def test_a_candidate_that_only_fails_has_a_quality_and_no_latency(made: Any, verdict_on: Any) -> None:
    document = verdict_on(made.run({"big-4": {"triage": [None] * 40}}), made.hosted("big-4"))
    assert find(document, "quality", "big-4", "triage").value == 0
    assert find(document, "failure_rate", "big-4", "triage").value == 1
    assert not [claim for claim in document.claims if claim.key.startswith(("latency", "ttft", "prompt"))]
    assert document.verdict.decision == "skip"
