"""The comparisons from published evidence that a newcomer makes first, on the catalog as it ships."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Any

import pytest

from seatrial.catalog.loading import load_catalog
from seatrial.trial.record import Candidate, Run, RunManifest
from seatrial.verdict.document import Document
from seatrial.verdict.judge import judge

TODAY = date(2026, 11, 22)


def compare(*names: str, today: date = TODAY) -> Document:
    candidates = [
        Candidate(id=name, kind="baseline", target=name.removeprefix("baseline:"))
        if name.startswith("baseline:")
        else Candidate(id=name, kind="catalog", target=name, model=name)
        for name in names
    ]
    manifest = RunManifest(
        id="published",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        command=f"seatrial compare {' '.join(names)}",
        seed=0,
        candidates=candidates,
        workloads=[],
        concurrency=1,
    )
    run = Run(manifest=manifest, items=[], observations=[])
    return judge(run, load_catalog(), today=today, machine_usd_per_hour=0.10)


def marketing(document: Document, model: str) -> dict[str, tuple[str, str]]:
    return {
        each.line: (each.status, "".join(span.text for span in each.finding))
        for each in document.marketing
        if each.model == model
    }


def test_gpt_5_mini_is_vetoed_and_its_card_says_why() -> None:
    document = compare("smollm3-3b", "gpt-5-mini")
    ballots = [ballot for ballot in document.ballots if ballot.candidate == "gpt-5-mini"]
    assert {ballot.reviewer for ballot in ballots if ballot.vetoed} == {"builder", "founder"}
    assert document.panel["gpt-5-mini"].ships == 0
    (card,) = [card for card in document.candidates if card.id == "gpt-5-mini"]
    notice = "".join(span.text for span in card.notices[0])
    assert "11 December 2026, in 19 days" in notice
    assert "`gpt-6.1-terra`" in notice
    assert "`gpt-5.6-terra`" in notice
    assert document.verdict.decision == "undecided"
    assert "`gpt-5-mini` is ruled out" in document.verdict.text


def test_before_its_last_quarter_it_is_not_vetoed() -> None:
    document = compare("smollm3-3b", "gpt-5-mini", today=date(2026, 6, 1))
    assert not any(ballot.vetoed for ballot in document.ballots)


def test_the_marketing_of_gpt_5_mini() -> None:
    found = marketing(compare("smollm3-3b", "gpt-5-mini"), "gpt-5-mini")
    status, text = found["60% cheaper than GPT-5"]
    assert status == "contradicted"
    assert "80 %" in text
    assert "favour" in text
    assert found["sub-200ms latency"][0] == "contradicted"
    status, text = found["one-line migration: same API"]
    assert status == "contradicted"
    assert "`temperature`" in text


def test_the_marketing_of_the_small_models() -> None:
    (line,) = marketing(compare("smollm3-3b"), "smollm3-3b").items()
    assert "state of the art" in line[0]
    assert line[1][0] == "contradicted"
    found = marketing(compare("gpt-5-mini", "smolvlm2-2.2b"), "smolvlm2-2.2b")
    assert len(found) >= 3
    assert {status for status, _ in found.values()} == {"unsupported"}


@pytest.mark.parametrize(
    "names",
    [
        ("smollm3-3b", "gpt-5-mini"),
        ("gpt-5-mini", "smolvlm2-2.2b"),
        ("qwen2.5-3b", "smollm3-3b", "phi-4-mini", "gemma-3-4b"),
        ("gpt-6-luna", "claude-haiku-5.5", "mistral-small-latest", "baseline:nearest"),
    ],
)
def test_every_pair_gives_a_whole_document(names: tuple[str, ...], document_checker: Any) -> None:
    document = compare(*names)
    document_checker(document)
    assert [card.id for card in document.candidates] == list(names)
    assert len(document.ballots) == 4 * len(names)


def test_every_model_of_the_catalog_can_be_judged(document_checker: Any) -> None:
    document_checker(compare(*load_catalog().entries))


def test_judging_what_is_published_is_quick() -> None:
    compare("smollm3-3b", "gpt-5-mini")
    fastest = min(_timed() for _ in range(5))
    assert fastest < 0.1, f"{fastest:.3f} s"


def _timed() -> float:
    started = time.process_time()
    compare("smollm3-3b", "gpt-5-mini")
    return time.process_time() - started
