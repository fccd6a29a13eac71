"""What a month costs at any volume, as a table that needs no script."""

from __future__ import annotations

import math

import pytest
import site_samples
from hypothesis import given
from hypothesis import strategies as st
from site_samples import page_tree, replaced

from seatrial.site.pages.volume import VOLUMES, Cost, view_volume, volume_costs, volume_data
from seatrial.verdict.document import Document, PricingRow
from seatrial.verdict.report.names import name_candidates


def priced(**usd_per_1k: tuple[str, str, float | None]) -> Document:
    """A document of candidates by (runs, kind of figure, cost of 1,000 tasks)."""
    document = site_samples.run_document()
    cards = [
        replaced(document.candidates[0], id=name, name=name, runs=runs, model=None)
        for name, (runs, _, _) in usd_per_1k.items()
    ]
    rows = [
        PricingRow(candidate=name, workload=None, cost_per_1k_usd=cost, basis="", kind=kind, evidence=[])
        for name, (_, kind, cost) in usd_per_1k.items()
    ]
    pricing = replaced(document.pricing, machine_usd_per_hour=0.1, rows=rows, break_even=[], price_history={})
    return replaced(document, candidates=cards, pricing=pricing)


TWO = priced(paid=("hosted", "assumed", 0.65), own=("local", "assumed", None))


def test_a_hosted_model_costs_its_tasks_and_a_machine_its_month() -> None:
    view = view_volume(TWO, name_candidates(TWO.candidates))
    assert view is not None
    paid, own = view.rows
    assert paid.cells == ["$0.65", "$6.50", "$65.00", "$650.00", "$6,500"]
    assert own.cells == ["$73.00"] * 5
    assert [sum(pair) for pair in zip(paid.is_least, own.is_least, strict=True)] == [1] * 5
    assert paid.is_least == [True, True, True, False, False]
    assert own.note == "one machine, if it can do as many: not measured"
    assert view.says == "At 100,000 tasks a month, paid costs least: $65.00 against $73.00 for own."


def test_a_machine_that_is_too_slow_gets_company() -> None:
    document = priced(paid=("hosted", "measured", 1.0), own=("local", "measured", 0.073))
    costs = volume_costs(document)
    assert costs["own"].tasks_per_machine == pytest.approx(1_000_000)
    assert [costs["own"].machines(n) for n in (1, 999_999, 1_500_000, 10_000_000)] == [1, 1, 2, 10]
    view = view_volume(document, name_candidates(document.candidates))
    assert view is not None
    assert "one machine for every 1,000,000 tasks" in view.rows[1].note


def test_without_a_price_there_is_no_figure_and_the_page_says_so() -> None:
    document = priced(
        paid=("hosted", "assumed", 1.0), own=("local", "assumed", None), unknown=("hosted", "assumed", None)
    )
    view = view_volume(document, name_candidates(document.candidates))
    assert view is not None
    assert [row.name.id for row in view.rows] == ["paid", "own"]
    assert [name.id for name in view.unpriced] == ["unknown"]


@pytest.mark.parametrize(
    "document",
    [
        priced(one=("local", "assumed", None), other=("local", "assumed", None)),
        priced(one=("hosted", "assumed", 1.0), other=("hosted", "assumed", None)),
        priced(one=("hosted", "assumed", 1.0)),
        priced(one=("hosted", "assumed", math.nan), other=("hosted", "assumed", math.inf)),
    ],
    ids=["machines alone", "one price", "one candidate", "no numbers"],
)
def test_with_nothing_to_weigh_there_is_no_section(document: Document) -> None:
    assert view_volume(document, name_candidates(document.candidates)) is None


def test_a_machine_for_nothing_costs_nothing() -> None:
    document = priced(paid=("hosted", "measured", 0.0), own=("local", "measured", 0.0))
    document = replaced(document, pricing=replaced(document.pricing, machine_usd_per_hour=0.0))
    view = view_volume(document, name_candidates(document.candidates))
    assert view is not None
    assert view.rows[0].cells == view.rows[1].cells == ["$0"] * 5
    assert "cost the same: $0" in view.says


def test_the_twin_has_the_same_unrounded() -> None:
    paid, own = volume_data(TWO)
    assert paid["usd_per_month"]["1000"] == pytest.approx(0.65)
    assert own["usd_per_machine_month"] == pytest.approx(73)
    assert list(paid["usd_per_month"]) == [str(volume) for volume in VOLUMES]


def test_the_drawing_is_an_image_with_words() -> None:
    view = view_volume(TWO, name_candidates(TWO.candidates))
    assert view is not None
    (svg,) = page_tree.parse(str(view.drawing)).all("svg")
    assert svg.attributes["role"] == "img"
    assert "paid: $0.65 for 1,000 tasks" in svg.all("desc")[0].text
    assert len(svg.all("polyline", "curve")) == 2
    assert "nan" not in str(view.drawing)


@given(
    usd_per_machine=st.floats(0, 1e6),
    tasks=st.floats(1e-3, 1e12),
    volumes=st.lists(st.floats(1, 1e8), min_size=2, max_size=2).map(sorted),
)
def test_more_tasks_never_cost_less(usd_per_machine: float, tasks: float, volumes: list[float]) -> None:
    cost = Cost(usd_per_machine=usd_per_machine, tasks_per_machine=tasks)
    assert cost.of(volumes[0]) <= cost.of(volumes[1])
