"""Whatever a run holds, judging it gives a sound document or a plain refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.catalog.entry import Price
from seatrial.trial.record import (
    Candidate,
    Failure,
    ItemRecord,
    NotMeasured,
    Observation,
    Run,
    RunManifest,
    WorkloadRecord,
)
from seatrial.verdict.judge import judge

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CANDIDATES = [
    Candidate(id="small-2b", kind="catalog", target="small-2b", model="small-2b"),
    Candidate(id="small-2b@f32", kind="catalog", target="small-2b", model="small-2b", settings={"dtype": "f32"}),
    Candidate(id="big-4", kind="catalog", target="big-4", model="big-4"),
    Candidate(id="old-3", kind="catalog", target="old-3", model="old-3"),
    Candidate(id="http://localhost:8000/v1#m-7", kind="http", target="m-7", base_url="http://localhost:8000/v1"),
    Candidate(id="openai:gpt-x", kind="openai", target="gpt-x"),
    Candidate(id="hf:owner/name-1", kind="hub", target="owner/name-1"),
    Candidate(id="baseline:nearest", kind="baseline", target="nearest"),
    Candidate(id="baseline:majority", kind="baseline", target="majority"),
]

scores = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
counts = st.one_of(st.none(), st.integers(0, 10_000))
durations = st.one_of(st.none(), st.floats(0, 100))
texts = st.one_of(st.none(), st.text(max_size=8))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    candidates = draw(st.lists(st.sampled_from(CANDIDATES), min_size=1, max_size=4, unique_by=lambda each: each.id))
    workloads = [
        _workload(name, draw) for name in draw(st.lists(st.sampled_from(["w1", "w 2"]), max_size=2, unique=True))
    ]
    items = [
        ItemRecord(workload=work.name, id=f"{index}", input=draw(st.text(max_size=5)), expected=None,
                   cluster=draw(st.sampled_from(["a", "b", "7 Ltd", None])))
        for work in workloads for index in range(work.num_items)
    ]  # fmt: skip
    observations = [
        _observation(candidate.id, item, draw)
        for candidate in candidates
        for item in items
        if draw(st.sampled_from([True] * 9 + [False]))
    ]
    missing = draw(st.lists(st.sampled_from(candidates), max_size=1))
    return Run(
        manifest=RunManifest(
            id="r", created_at=START, command="c", seed=0, candidates=candidates, workloads=workloads, concurrency=1,
            not_measured=[NotMeasured(candidate=each.id, reason="r", way_out="w") for each in missing],
        ),
        items=items,
        observations=observations,
    )  # fmt: skip


def _workload(name: str, draw: st.DrawFn) -> WorkloadRecord:
    size = draw(st.sampled_from([1, 2, 7, 40]))
    return WorkloadRecord(
        name=name, version="1", title=name, task="t", description="", licence="", scorer="exact", origin=name,
        fingerprint="f", num_items=size, num_available=size,
        clustered=draw(st.booleans()), structured=draw(st.booleans()),
    )  # fmt: skip


def _observation(candidate: str, item: ItemRecord, draw: st.DrawFn) -> Observation:
    failed = draw(st.sampled_from([False] * 6 + [True]))
    return Observation(
        key=f"{candidate}/{item.workload}/{item.id}",
        candidate=candidate,
        workload=item.workload,
        item=item.id,
        score=0.0 if failed else draw(scores),
        text=draw(texts),
        parsed=draw(texts),
        finish_reason=draw(st.sampled_from([None, "stop", "length"])),
        ttft_s=draw(durations),
        latency_s=draw(durations),
        prompt_tokens=draw(counts),
        completion_tokens=draw(counts),
        cached_tokens=draw(counts),
        cost_usd=draw(st.one_of(st.none(), st.floats(0, 10))),
        failure=Failure(type="ProviderTimeout", message="60 s") if failed else None,
        started_at=START + timedelta(seconds=draw(st.integers(0, 1_000))),
    )


@settings(max_examples=25, deadline=None)
@given(
    run=runs(),
    margin=st.floats(0.001, 0.5),
    purpose=st.sampled_from(["commercial", "research"]),
    rate=st.floats(0, 100),
)
def test_any_run_gives_a_sound_document(
    run: Run, margin: float, purpose: Any, rate: float, made: Any, document_checker: Any
) -> None:
    catalog = made.catalog(
        made.entry("small-2b"),
        made.hosted("big-4", Price(0.0, 0.0)),
        made.retiring("old-3", made.today + timedelta(days=3), "new-5"),
    )
    document = judge(run, catalog, today=made.today, margin=margin, purpose=purpose, machine_usd_per_hour=rate)
    document_checker(document)
    assert len(document.ballots) == 4 * len(run.manifest.candidates)
    verdict = document.verdict
    assert (verdict.candidate is not None) == (verdict.decision in ("ship", "mix"))
    assert verdict.more_items is None or verdict.decision == "undecided"
    assert 1 <= len(verdict.reasons) <= 4
    assert "old-3" not in (verdict.candidate, *verdict.mix)
    assert "baseline:majority" not in (verdict.candidate, *verdict.mix)
