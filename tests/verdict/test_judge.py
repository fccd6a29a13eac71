"""The document as a whole: every number has evidence, every id resolves, and order changes nothing."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.trial.record import Run
from seatrial.verdict.document import Document
from seatrial.verdict.judge import judge
from seatrial.verdict.schema import schema_text

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "verdict.schema.json"


@pytest.fixture
def run_of_everything(made: Any) -> tuple[Run, tuple[Any, ...]]:
    """Several candidates, clusters, failures, a veto, one that was not measured."""
    scores = {
        "small-2b": {"triage": made.rights(60, 96), "extract": [0.25, 0.5, 0.75, 1.0] * 10},
        "big-4": {"triage": made.rights(80, 96, 7), "extract": [1.0, None, 0.5, 1.0] * 10},
        "old-3": {"triage": made.rights(85, 96), "extract": [1.0] * 40},
        "baseline:nearest": {"triage": made.rights(50, 96, 30), "extract": [0.5] * 40},
        "baseline:majority": {"triage": made.rights(20, 96, 50), "extract": [0.0] * 40},
    }
    run = made.run(scores, clusters={"triage": 8}, structured=["extract"], unmeasured=["far-9"])
    entries = (
        made.entry("small-2b"),
        made.hosted("big-4"),
        made.retiring("old-3", date(2026, 12, 11), "new-5", "new-4"),
        made.hosted("far-9"),
    )
    return run, entries


def test_every_number_stands_on_evidence_that_exists(
    run_of_everything: Any, verdict_on: Any, document_checker: Any
) -> None:
    run, entries = run_of_everything
    document = verdict_on(run, *entries)
    document_checker(document)
    assert len(document.ballots) == 4 * 6
    assert {workload.name for workload in document.workloads} == {"triage", "extract"}


def test_the_same_holds_where_nothing_was_measured(made: Any, verdict_on: Any, document_checker: Any) -> None:
    run = made.run({}, unmeasured=["small-2b", "big-4", "baseline:nearest"])
    document_checker(verdict_on(run, made.entry("small-2b"), made.hosted("big-4")))


def test_the_document_goes_through_json_unchanged(run_of_everything: Any, verdict_on: Any) -> None:
    run, entries = run_of_everything
    document = verdict_on(run, *entries)
    written = msgspec.json.encode(document)
    assert msgspec.json.decode(written, type=Document) == document
    jsonschema.validate(msgspec.json.decode(written), msgspec.json.decode(SCHEMA.read_bytes()))


def test_the_schema_in_docs_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), (
        "run `python -m seatrial.verdict.schema > docs/verdict.schema.json`"
    )


def test_judging_twice_gives_the_same_document(run_of_everything: Any, verdict_on: Any) -> None:
    run, entries = run_of_everything
    assert verdict_on(run, *entries) == verdict_on(run, *entries)


def test_order_of_candidates_and_observations_changes_nothing_but_order(made: Any) -> None:
    scores = {
        "small-2b": {"triage": made.rights(60, 96), "extract": [0.25, 0.5, 0.75, 1.0] * 10},
        "big-4": {"triage": made.rights(80, 96, 7), "extract": [1.0, None, 0.5, 1.0] * 10},
        "baseline:majority": {"triage": made.rights(20, 96, 50), "extract": [0.0] * 40},
    }
    run = made.run(scores, clusters={"triage": 8}, structured=["extract"], unmeasured=["far-9"])
    catalog = made.catalog(made.entry("small-2b"), made.hosted("big-4"), made.hosted("far-9"))
    terms = {"today": made.today, "machine_usd_per_hour": 0.1}
    in_order = _sorted(judge(run, catalog, **terms))

    @settings(max_examples=8, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def shuffling_changes_nothing(seed: int) -> None:
        rng = random.Random(seed)
        observations = rng.sample(run.observations, len(run.observations))
        candidates = rng.sample(run.manifest.candidates, len(run.manifest.candidates))
        manifest = msgspec.structs.replace(run.manifest, candidates=candidates)
        shuffled = Run(manifest=manifest, items=run.items, observations=observations)
        assert _sorted(judge(shuffled, catalog, **terms)) == in_order

    shuffling_changes_nothing()


def _sorted(document: Document) -> Any:
    """The document with every list in an order of its own."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(value[key]) for key in sorted(value)}
        if isinstance(value, list):
            return sorted((walk(each) for each in value), key=repr)
        return value

    return walk(msgspec.to_builtins(document))


@pytest.mark.parametrize(
    ("terms", "named"),
    [
        ({"margin": 0.0}, "0.03"),
        ({"margin": 1.5}, "1.5"),
        ({"purpose": "fun"}, "fun"),
        ({"machine_usd_per_hour": -1.0}, "-1"),
        ({"machine_usd_per_hour": float("nan")}, "nan"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms: dict[str, Any], named: str, made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": made.rights(30, 40)}})
    with pytest.raises(UsageError, match=named):
        verdict_on(run, made.entry("small-2b"), **terms)


def test_a_run_without_candidates_is_refused(made: Any, verdict_on: Any) -> None:
    with pytest.raises(UsageError, match="no candidates"):
        verdict_on(made.run({}))


def test_observations_of_what_the_manifest_does_not_name_are_left_out(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": made.rights(30, 40)}})
    stray = msgspec.structs.replace(run.observations[0], key="x", candidate="nobody")
    with_stray = Run(manifest=run.manifest, items=run.items, observations=[*run.observations, stray])
    entry = made.entry("small-2b")
    assert verdict_on(with_stray, entry) == verdict_on(run, entry)


def test_judging_published_evidence_needs_no_numpy() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from datetime import UTC, date, datetime\n"
        "from seatrial.catalog.loading import load_catalog\n"
        "from seatrial.trial.record import Candidate, Run, RunManifest\n"
        "from seatrial.verdict.judge import judge\n"
        "names = ('smollm3-3b', 'gpt-5-mini')\n"
        "manifest = RunManifest(id='r', created_at=datetime(2026, 11, 22, tzinfo=UTC), command='c', seed=0,\n"
        "    workloads=[], concurrency=1,\n"
        "    candidates=[Candidate(id=n, kind='catalog', target=n, model=n) for n in names])\n"
        "judge(Run(manifest=manifest, items=[], observations=[]), load_catalog(), today=date(2026, 11, 22),\n"
        "    machine_usd_per_hour=0.1)\n"
        "print(sorted({'numpy', 'scipy', 'torch', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
