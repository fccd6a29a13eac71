"""The pricing read: tokens at list price, machine time at its rate, estimates marked as such, break-even within what
one machine can do."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import msgspec
import pytest

from seatrial.catalog.entry import Price
from seatrial.trial.record import PictureRecord, Run
from seatrial.verdict.document import BreakEven, Document, PricingRow
from seatrial.verdict.report import render_report


def row_of(document: Document, candidate: str, workload: str | None = None) -> PricingRow:
    (row,) = [r for r in document.pricing.rows if (r.candidate, r.workload) == (candidate, workload)]
    return row


def break_even_of(document: Document, local: str, paid: str) -> BreakEven:
    (found,) = [each for each in document.pricing.break_even if (each.local, each.paid) == (local, paid)]
    return found


def text_of(found: BreakEven) -> str:
    return "".join(span.text for span in found.text)


def showing(run: Run, workload: str, *names: str) -> Run:
    """The run, the first item of `workload` asking about files of these names."""
    files = [PictureRecord(key="a" * 32, name=name, is_video=name.endswith(".mp4")) for name in names]
    first = next(item for item in run.items if item.workload == workload)
    items = [msgspec.structs.replace(item, pictures=files) if item is first else item for item in run.items]
    return Run(manifest=run.manifest, items=items, observations=run.observations)


def test_tokens_cost_their_list_price(made: Any, verdict_on: Any) -> None:
    # 400 tokens in, 20 to 22 out, at $2 and $10 a million: $0.80 + $0.21 for a thousand tasks.
    document = verdict_on(made.run({"big-4": {"triage": [1.0] * 60}}), made.hosted("big-4"))
    row = row_of(document, "big-4")
    assert row.cost_per_1k_usd == pytest.approx(1.01)
    assert (row.kind, row.prompt_tokens_mean, row.completion_tokens_mean) == ("measured", 400, pytest.approx(21))
    assert row.low is not None
    assert row.high is not None
    assert row.low < 1.01 < row.high
    assert "catalog:big-4/price" in row.evidence


def test_a_cost_recorded_with_the_answer_stands(made: Any, verdict_on: Any) -> None:
    run = made.run({"big-4": {"triage": [1.0] * 40}})
    paid = [msgspec.structs.replace(seen, cost_usd=0.005) for seen in run.observations]
    document = verdict_on(Run(manifest=run.manifest, items=run.items, observations=paid), made.hosted("big-4"))
    assert row_of(document, "big-4").cost_per_1k_usd == pytest.approx(5.0)


def test_a_local_candidate_costs_the_machine_while_it_is_busy(made: Any, verdict_on: Any) -> None:
    # One after another, 0.5 s each: a thousand take 500 s, at $0.36 an hour.
    document = verdict_on(
        made.run({"small-2b": {"triage": [1.0] * 40}}), made.entry("small-2b"), machine_usd_per_hour=0.36
    )
    row = row_of(document, "small-2b", "triage")
    assert row.cost_per_1k_usd == pytest.approx(0.05)
    assert "assumed:machine-usd-per-hour" in row.evidence


def test_what_was_not_measured_is_estimated_from_the_best_ones_tokens(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": made.rights(30, 40)}}, unmeasured=["big-4"])
    row = row_of(verdict_on(run, made.entry("small-2b"), made.hosted("big-4")), "big-4")
    assert row.kind == "assumed"
    assert row.cost_per_1k_usd == pytest.approx(1.01, abs=0.01)
    assert "`small-2b`" in row.basis
    assert "run:triage:small-2b" in row.evidence


def test_with_nothing_measured_a_task_of_a_stated_size_is_priced(made: Any, verdict_on: Any) -> None:
    row = row_of(verdict_on(made.run({}, unmeasured=["big-4"]), made.hosted("big-4")), "big-4")
    assert row.cost_per_1k_usd == pytest.approx(1_000 * (1_000 * 2 + 200 * 10) / 1e6)
    assert row.kind == "assumed"
    assert "assumed:task-size" in row.evidence


@pytest.mark.parametrize(
    ("names", "things"), [(["a.png"], "pictures"), (["a.mp4"], "videos"), (["a.mp4", "b.png"], "pictures and videos")]
)
@pytest.mark.parametrize("measured", [{}, {"small-2b": {"triage": [1.0] * 40}}], ids=["nothing", "a local model"])
def test_no_estimate_where_items_show_pictures(
    made: Any, verdict_on: Any, names: list[str], things: str, measured: Any
) -> None:
    run = made.run({"baseline:nearest": {"triage": [0.0] * 40}, **measured}, unmeasured=["big-4"])
    document = verdict_on(showing(run, "triage", *names), made.entry("small-2b"), made.hosted("big-4"))
    for row in (row_of(document, "big-4"), row_of(document, "big-4", "triage")):
        assert (row.cost_per_1k_usd, row.prompt_tokens_mean) == (None, None)
        assert f"`triage` show {things}, whose tokens differ from model to model" in row.basis
    found = break_even_of(document, "baseline:nearest", "big-4")
    assert found.tasks_per_month is None
    assert "price" not in text_of(found), "its list price is known; what a task costs is not"


def test_beside_pictures_only_workloads_of_text_are_estimated(made: Any, verdict_on: Any) -> None:
    measured = {"small-2b": {"triage": [1.0] * 40, "receipts": [1.0] * 40}, "text-1b": {"triage": [0.0] * 40}}
    run = showing(made.run(measured, unmeasured=["big-4"]), "receipts", "a.png")
    document = verdict_on(run, made.entry("small-2b"), made.entry("text-1b"), made.hosted("big-4"))
    assert row_of(document, "big-4", "triage").cost_per_1k_usd == pytest.approx(1.01, abs=0.01)
    assert row_of(document, "big-4", "receipts").cost_per_1k_usd is None
    assert row_of(document, "big-4").cost_per_1k_usd is None
    page = re.sub(r"<[^>]*>", "", render_report(document))
    why = "Not measured, and not estimated: items of `receipts` show pictures"
    assert page.count(why) == 1, "in the column that says how each cost comes about"


def test_a_hosted_candidate_measured_on_pictures_costs_its_own_tokens(made: Any, verdict_on: Any) -> None:
    run = made.run({"big-4": {"triage": [1.0] * 60}})
    text, pictures = (verdict_on(each, made.hosted("big-4")) for each in (run, showing(run, "triage", "a.png")))
    assert pictures.pricing == text.pricing


def test_without_a_price_measuring_would_not_tell(made: Any, verdict_on: Any) -> None:
    run = showing(made.run({"small-2b": {"triage": [1.0] * 40}}, unmeasured=["big-4"]), "triage", "a.png")
    row = row_of(verdict_on(run, made.entry("small-2b"), made.hosted("big-4", prices=())), "big-4")
    assert row.basis == "The catalog has no price for `big-4`."


def test_no_price_means_no_cost_never_zero(made: Any, verdict_on: Any) -> None:
    run = made.run({"big-4": {"triage": [1.0] * 40}})
    row = row_of(verdict_on(run, made.hosted("big-4", prices=())), "big-4")
    assert row.cost_per_1k_usd is None
    assert "price" in row.basis


def test_break_even_is_the_months_machine_over_the_price_of_a_task(made: Any, verdict_on: Any) -> None:
    run = made.run({"small-2b": {"triage": [1.0] * 40}, "big-4": {"triage": [1.0] * 40}})
    document = verdict_on(run, made.entry("small-2b"), made.hosted("big-4"), machine_usd_per_hour=0.10)
    found = break_even_of(document, "small-2b", "big-4")
    per_task = row_of(document, "big-4").cost_per_1k_usd / 1_000
    assert found.tasks_per_month == pytest.approx(73 / per_task)
    # 7,200 an hour, 730 hours a month.
    assert "one machine can do 5.26 million" in text_of(found)


def test_what_one_machine_cannot_do_never_breaks_even(made: Any, verdict_on: Any) -> None:
    cheap = made.hosted("big-4", Price(input_usd=0.01, output_usd=0.01))
    run = made.run({"small-2b": {"triage": [1.0] * 40}, "big-4": {"triage": [1.0] * 40}}, latency_s={"small-2b": 20.0})
    found = break_even_of(verdict_on(run, made.entry("small-2b"), cheap), "small-2b", "big-4")
    assert found.tasks_per_month is None
    assert "never on one machine" in text_of(found)


def test_a_baseline_breaks_even_like_any_local_candidate(made: Any, verdict_on: Any) -> None:
    run = made.run({"baseline:nearest": {"triage": [1.0] * 40}, "big-4": {"triage": [1.0] * 40}})
    found = break_even_of(verdict_on(run, made.hosted("big-4")), "baseline:nearest", "big-4")
    assert found.tasks_per_month is not None


def test_the_price_that_holds_on_the_day_is_taken_and_the_history_is_kept(made: Any, verdict_on: Any) -> None:
    entry = made.hosted(
        "big-4",
        prices=(
            made.fact("big-4/new", Price(0.15, 0.60, valid_from=date(2026, 3, 16))),
            made.fact("big-4/old", Price(0.10, 0.30)),
        ),
    )
    run = made.run({}, unmeasured=["big-4"])
    assert row_of(verdict_on(run, entry), "big-4").cost_per_1k_usd == pytest.approx(0.27)
    before = verdict_on(run, entry, today=date(2026, 3, 15))
    assert row_of(before, "big-4").cost_per_1k_usd == pytest.approx(0.16)
    history = before.pricing.price_history["big-4"]
    assert [(point.valid_from, point.input_usd) for point in history] == [(None, 0.10), (date(2026, 3, 16), 0.15)]
