"""The claim checker, rule by rule."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from seatrial.catalog.entry import MarketingClaim, Price, PublishedScore, Retirement
from seatrial.verdict.document import Document, MarketingFinding


def line(made: Any, check: str, note: str = "", **terms: object) -> tuple[MarketingClaim, ...]:
    return (MarketingClaim("big-4/line", "The line.", made.source, check, terms, note),)


def only(document: Document) -> tuple[MarketingFinding, str]:
    (finding,) = document.marketing
    return finding, "".join(span.text for span in finding.finding)


def check(made: Any, verdict_on: Any, *entries: Any) -> tuple[MarketingFinding, str]:
    return only(verdict_on(made.run({}, unmeasured=["big-4"]), *entries))


@pytest.mark.parametrize(
    ("percent", "status"), [(80, "supported"), (79.5, "supported"), (60, "contradicted"), (90, "contradicted")]
)
def test_a_discount_is_held_against_list_prices(percent: float, status: str, made: Any, verdict_on: Any) -> None:
    mini = made.hosted("big-4", Price(0.25, 2.0), marketing=line(made, "cheaper_than", model="dear-5", percent=percent))
    finding, text = check(made, verdict_on, mini, made.hosted("dear-5", Price(1.25, 10.0)))
    assert finding.status == status
    assert "80 % below" in text
    assert ("buyer's favour" in text) == (percent == 60)
    assert {"catalog:big-4/line", "catalog:big-4/price", "catalog:dear-5/price"} <= set(finding.evidence)


def test_the_catalogs_note_is_shown_and_stands_for_our_remark(made: Any, verdict_on: Any) -> None:
    claims = line(made, "cheaper_than", "Too modest.", model="dear-5", percent=60)
    _, text = check(
        made,
        verdict_on,
        made.hosted("big-4", Price(0.25, 2.0), marketing=claims),
        made.hosted("dear-5", Price(1.25, 10)),
    )
    assert text.endswith(" Too modest.")
    assert "favour" not in text


def test_a_discount_on_a_model_without_a_price_is_unsupported(made: Any, verdict_on: Any) -> None:
    claims = line(made, "cheaper_than", model="dear-5", percent=60)
    finding, _ = check(made, verdict_on, made.hosted("big-4", marketing=claims), made.hosted("dear-5", prices=()))
    assert finding.status == "unsupported"


@pytest.mark.parametrize(
    ("published", "status"),
    [((), "unsupported"), ((0.78, 75.0), "contradicted"), ((0.1, 0.15), "supported"), ((0.1, 75.0), "unsupported")],
)
def test_time_to_first_token_by_published_figures(
    published: tuple[float, ...], status: str, made: Any, verdict_on: Any
) -> None:
    facts = tuple(made.fact(f"big-4/ttft/{value}", value) for value in published)
    finding, _ = check(
        made, verdict_on, made.hosted("big-4", ttft_s=facts, marketing=line(made, "ttft_below", seconds=0.2))
    )
    assert finding.status == status


def test_time_to_first_token_as_measured_here(made: Any, verdict_on: Any) -> None:
    entry = made.hosted("big-4", marketing=line(made, "ttft_below", seconds=0.2))
    for latency_s, status in ((0.5, "supported"), (5.0, "contradicted")):
        run = made.run({"big-4": {"triage": [1.0] * 40}}, latency_s={"big-4": latency_s})
        finding, text = only(verdict_on(run, entry))
        assert finding.status == status
        assert "measured here" in text
        assert "run:triage:big-4" in finding.evidence


def test_the_same_api_with_what_it_refuses_and_when_it_ends(made: Any, verdict_on: Any) -> None:
    claims = line(made, "same_api")
    finding, _ = check(made, verdict_on, made.hosted("big-4", marketing=claims))
    assert finding.status == "unsupported"
    entry = made.hosted(
        "big-4",
        marketing=claims,
        unsupported_parameters=(made.fact("big-4/refuses", "temperature"),),
        retirement=(made.fact("big-4/retirement", Retirement(date(2026, 12, 11), None)),),
    )
    finding, text = check(made, verdict_on, entry)
    assert finding.status == "contradicted"
    assert "`temperature`" in text
    assert "11 December 2026" in text


def score(made: Any, subject: str, value: float, setting: str = "base") -> Any:
    return made.fact(f"big-4/{subject}/{setting}", PublishedScore("GSM8K", "", setting, value, "%", subject))


@pytest.mark.parametrize(
    ("rival", "setting", "status"),
    [(70.1, "base", "contradicted"), (60.0, "base", "supported"), (99.0, "think", "unsupported")],
)
def test_the_best_score_among_rivals_in_the_same_row_only(
    rival: float, setting: str, status: str, made: Any, verdict_on: Any
) -> None:
    entry = made.hosted(
        "big-4",
        scores=(score(made, "big-4", 67.6),),
        rival_scores=(score(made, "Rival-3B", rival, setting),),
        marketing=line(made, "best_score_among", benchmarks=[("GSM8K", "", "base")]),
    )
    finding, text = check(made, verdict_on, entry)
    assert finding.status == status
    assert ("Rival-3B" in text) == (status != "unsupported")


def test_what_only_a_measurement_would_settle_is_unsupported(made: Any, verdict_on: Any) -> None:
    finding, text = check(
        made, verdict_on, made.hosted("big-4", marketing=line(made, "measured_only", what="memory on a phone"))
    )
    assert finding.status == "unsupported"
    assert "memory on a phone" in text
