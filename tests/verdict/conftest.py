"""Made-up runs and catalog entries, small enough to know the right verdict by heart."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from seatrial.catalog.entry import Entry, Fact, Licence, Price, Retirement, Source
from seatrial.catalog.loading import Catalog
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
from seatrial.verdict.document import Document, Span
from seatrial.verdict.judge import judge

TODAY = date(2026, 11, 22)
SOURCE = Source(key="card", title="Model card", url="https://example.org/card", as_of=TODAY, kind="published")
DIGIT = re.compile(r"\d")
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PRICED_LIKE_A_HOUSE = Price(input_usd=2.0, output_usd=10.0)

Scores = Mapping[str, Mapping[str, Sequence[float | None]]]


def fact(id: str, value: Any, note: str = "") -> Fact[Any]:
    return Fact(id=id, value=value, source=SOURCE, note=note)


def make_entry(id: str, **changes: Any) -> Entry:
    """A local model under Apache 2.0; `changes` replace fields."""
    entry = Entry(
        id=id,
        name=id.title(),
        maker="Maker & Co",
        tagline="A model",
        description="A model.",
        category="text",
        modalities=("text",),
        entry="free",
        runs="local",
        api_name=None,
        weights=None,
        licence=(fact(f"{id}/licence", Licence("Apache License 2.0", "Apache-2.0", True)),),
        parameters=(fact(f"{id}/parameters", 3.0e9),),
        context_tokens=(fact(f"{id}/context", 64_000),),
        max_output_tokens=(),
        memory_bytes=(),
        released=(fact(f"{id}/released", date(2026, 5, 1)),),
        retirement=(),
        prices=(),
        scores=(),
        rival_scores=(),
        ttft_s=(),
        output_tokens_per_s=(),
        unsupported_parameters=(),
        competitors=(),
        marketing=(),
        notes=(),
    )
    return dataclasses.replace(entry, **changes)


def hosted(id: str, price: Price = PRICED_LIKE_A_HOUSE, **changes: Any) -> Entry:
    """A hosted model with a price."""
    changes = {"runs": "hosted", "entry": "paid", "prices": (fact(f"{id}/price", price),), **changes}
    return make_entry(id, **changes)


def retiring(id: str, on: date, *replacements: str, **changes: Any) -> Entry:
    """A hosted model with its last day."""
    facts = tuple(
        fact(f"{id}/retirement/{place}", Retirement(on, name)) for place, name in enumerate(replacements or (None,))
    )
    return hosted(id, retirement=facts, **changes)


def catalog_of(*entries: Entry) -> Catalog:
    return Catalog({entry.id: entry for entry in entries})


def make_run(
    scores: Scores,
    *,
    clusters: Mapping[str, int] | None = None,
    unmeasured: Sequence[str] = (),
    structured: Sequence[str] = (),
    latency_s: Mapping[str, float] | None = None,
    planned: Mapping[str, int] | None = None,
) -> Run:
    """A run from scores by candidate and workload; None is a failed request. `clusters` gives a workload's cluster
    size."""
    clusters, latency_s, planned = clusters or {}, latency_s or {}, planned or {}
    workloads: dict[str, int] = {}
    for by_workload in scores.values():
        for name, values in by_workload.items():
            workloads[name] = max(len(values), workloads.get(name, 0), planned.get(name, 0))
    items = [
        ItemRecord(
            workload=name,
            id=f"{name}-{index:04}",
            input=f"Question {index}",
            expected="yes",
            cluster=f"customer {index // clusters[name]}" if name in clusters else None,
        )
        for name, size in workloads.items()
        for index in range(size)
    ]
    observations = [
        _observation(candidate, name, index, score, latency_s.get(candidate, 0.5))
        for candidate, by_workload in scores.items()
        for name, values in by_workload.items()
        for index, score in enumerate(values)
    ]
    return Run(
        manifest=RunManifest(
            id="run-1",
            created_at=START,
            command="seatrial compare …",
            seed=0,
            candidates=[_candidate(name) for name in (*scores, *unmeasured)],
            workloads=[
                _workload(name, size, clustered=name in clusters, structured=name in structured)
                for name, size in workloads.items()
            ],
            not_measured=[NotMeasured(candidate=name, reason="No key.", way_out="Set it.") for name in unmeasured],
            concurrency=1,
        ),
        items=items,
        observations=observations,
    )


def _candidate(id: str) -> Candidate:
    if id.startswith("baseline:"):
        return Candidate(id=id, kind="baseline", target=id.removeprefix("baseline:"))
    return Candidate(id=id, kind="catalog", target=id, model=id)


def _workload(name: str, size: int, *, clustered: bool, structured: bool) -> WorkloadRecord:
    return WorkloadRecord(
        name=name,
        version="1",
        title=name.title(),
        task="label",
        description="A workload.",
        licence="Apache-2.0",
        scorer="label",
        origin=name,
        fingerprint="f" * 64,
        num_items=size,
        num_available=size,
        clustered=clustered,
        structured=structured,
    )


def _observation(candidate: str, workload: str, index: int, score: float | None, latency_s: float) -> Observation:
    is_baseline = candidate.startswith("baseline:")
    failed = score is None
    return Observation(
        key=f"{candidate}/{workload}/{index}",
        candidate=candidate,
        workload=workload,
        item=f"{workload}-{index:04}",
        score=score or 0.0,
        text=None if failed else "yes" if score else "no",
        parsed=None if failed else "yes" if score else "no",
        finish_reason=None if failed else "stop",
        ttft_s=None if failed else latency_s / 5,
        latency_s=latency_s,
        prompt_tokens=None if is_baseline or failed else 400,
        completion_tokens=None if is_baseline or failed else 20 + index % 3,
        failure=Failure(type="ProviderTimeout", message="No answer within 60 s.") if failed else None,
        started_at=START + timedelta(seconds=index * latency_s),
    )


def rights(num_right: int, n: int, shift: int = 0) -> list[float]:
    """`num_right` of `n` right, the wrong ones in one block that begins at `shift`."""
    wrong = {(shift + step) % n for step in range(n - num_right)}
    return [0.0 if index in wrong else 1.0 for index in range(n)]


@pytest.fixture(scope="session")
def verdict_on() -> Callable[..., Document]:
    """Judge a run with entries, on the day this was written."""

    def on(run: Run, *entries: Entry, **terms: Any) -> Document:
        settings = {"today": TODAY, "machine_usd_per_hour": 0.10, **terms}
        return judge(run, catalog_of(*entries), **settings)

    return on


class Made:
    """The makers of this file in one place: test folders are no packages, so tests cannot import them."""

    entry = staticmethod(make_entry)
    hosted = staticmethod(hosted)
    retiring = staticmethod(retiring)
    run = staticmethod(make_run)
    rights = staticmethod(rights)
    fact = staticmethod(fact)
    catalog = staticmethod(catalog_of)
    today = TODAY
    source = SOURCE


@pytest.fixture(scope="session")
def made() -> type[Made]:
    """The makers of this file."""
    return Made


def spans_in(value: Any) -> Iterator[Span]:
    """Every span anywhere in a value."""
    if isinstance(value, Span):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from spans_in(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from spans_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from spans_in(each)


def evidence_named_in(document: Document) -> Iterator[str]:
    """Every evidence id that anything in the document names."""
    for span in spans_in(document):
        yield from span.evidence
    for claim in document.claims:
        yield from claim.evidence
    for row in document.pricing.rows:
        yield from row.evidence
    for points in document.pricing.price_history.values():
        yield from (point.evidence for point in points)
    for finding in document.marketing:
        yield from finding.evidence


def check_document(document: Document) -> None:
    """Digits stand in spans with evidence, ids resolve, texts are their spans joined, and everything names evidence."""
    known = {piece.id for piece in document.evidence}
    assert len(known) == len(document.evidence)
    assert set(evidence_named_in(document)) <= known
    for span in spans_in(document):
        assert span.evidence or not DIGIT.search(span.text), span
    for ballot in document.ballots:
        assert ballot.text == "".join(span.text for span in ballot.spans)
    assert document.verdict.text == "".join(span.text for span in document.verdict.spans)
    assert all(claim.evidence for claim in document.claims)
    assert all(row.evidence for row in document.pricing.rows)
    assert all(finding.evidence for finding in document.marketing)
    assert all(piece.id.startswith(("run:", "catalog:", "assumed:")) for piece in document.evidence)


@pytest.fixture(scope="session")
def document_checker() -> Callable[[Document], None]:
    """Asserts what holds of every document."""
    return check_document
