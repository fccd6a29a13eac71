"""The figures show what the claims say, put nothing where there is nothing, and survive degenerate data."""

from __future__ import annotations

import re

import msgspec
import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st

from seatrial.verdict.report.names import name_candidates
from seatrial.verdict.report.plots import plot_differences, plot_latency, plot_quality_cost
from seatrial.verdict.report.plots.latency import DOTS_HEIGHT, NUM_DOTS, _stacked
from seatrial.verdict.report.plots.quality_cost import LEFT, ZERO_LANE
from seatrial.verdict.report.plots.scale import Linear, Log, log_over
from seatrial.verdict.report.plots.svg import element

replaced = msgspec.structs.replace


def test_quality_against_cost_has_a_panel_per_workload_and_names_what_it_leaves_out():
    document = sample.measured_document()
    plot = plot_quality_cost(document, name_candidates(document.candidates))
    assert [panel.title for panel in plot.panels] == ["Support triage", "Order extraction", "Two-step arithmetic"]
    assert len(plot.rows) == 9
    assert plot.rows[0] == ("Support triage", "SmolLM2-135M", "39.4%", "31.8–47.0%", "$0.017", "$0.016–$0.018")
    assert plot.remark.endswith("SmolLM3-3B and GPT-5 mini.")
    assert "Nearest example 75.6% at $0 per 1,000 tasks" in plot.panels[0].svg


def test_what_costs_nothing_stands_in_its_own_lane_before_the_axis_breaks():
    document = sample.measured_document()
    plot = plot_quality_cost(document, name_candidates(document.candidates))
    places = dict(re.findall(r'class="mark (c\d)" transform="translate\(([\d.]+) ', plot.panels[0].svg))
    assert LEFT < float(places["c2"]) < LEFT + ZERO_LANE
    assert LEFT < float(places["c3"]) < LEFT + ZERO_LANE
    assert float(places["c2"]) != float(places["c3"]), "side by side, not on top of each other"
    assert float(places["c1"]) > LEFT + ZERO_LANE


def test_when_nothing_costs_anything_there_is_only_the_lane():
    document = sample.measured_document()
    claims = [replaced(c, value=0.0, low=None, high=None) if c.key == "cost_per_1k_usd" else c for c in document.claims]
    plot = plot_quality_cost(replaced(document, claims=claims), name_candidates(document.candidates))
    assert len(plot.panels) == 3
    assert ">$0<" in plot.panels[0].svg
    assert "$0.02" not in plot.panels[0].svg


def test_figures_without_data_are_absent():
    document = sample.catalog_document()
    names = name_candidates(document.candidates)
    assert plot_quality_cost(document, names) is None
    assert plot_differences(document, names) is None
    assert plot_latency(document, names) is None


def test_a_quality_of_unknown_value_is_not_drawn_as_zero():
    document = sample.single_document()
    claims = [replaced(claim, value=None, low=None, high=None) for claim in document.claims]
    assert plot_quality_cost(replaced(document, claims=claims), name_candidates(document.candidates)) is None


def test_differences_show_each_pair_once_with_the_reading_of_its_tests():
    document = sample.measured_document()
    plot = plot_differences(document, name_candidates(document.candidates))
    assert len(plot.rows) == 9
    readings = {row[:3]: row[-1] for row in plot.rows}
    assert readings["Support triage", "SmolLM2-135M", "Nearest example"] == "Nearest example is better"
    assert readings["Order extraction", "SmolLM2-135M", "Majority answer"] == "SmolLM2-135M is better"
    assert readings["Order extraction", "SmolLM2-135M", "Nearest example"] == "cannot tell yet"
    assert plot.rows[0][3:8] == ("−36.2 pts", "−45.4 to −27.0 pts", "< 0.001", "0.001", "160")
    assert "margin of 3 points either way" in plot.reading
    assert plot.panels[0].svg.count('class="band"') == 3


@pytest.mark.parametrize(
    ("forth", "back", "reading"),
    [
        (True, True, "alike, within the margin"),
        (True, None, "SmolLM2-135M is good enough"),
        (None, True, "Nearest example is good enough"),
        (False, None, "SmolLM2-135M is worse by more than the margin"),
        (None, None, "cannot tell yet"),
    ],
)
def test_the_margin_decides_where_neither_beats_the_other(forth, back, reading):
    document = sample.mixed_document()
    base = next(claim for claim in document.claims if claim.key == "quality_difference")
    pair = {"key": "non_inferior", "unit": "yes/no"}
    claims = [
        base,
        replaced(base, value=forth, **pair),
        replaced(base, value=back, candidate=base.against, against=base.candidate, **pair),
    ]
    plot = plot_differences(replaced(document, claims=claims), name_candidates(document.candidates))
    assert plot.rows[0][-1] == reading


def test_latency_draws_twenty_dots_a_candidate_and_marks_both_quantiles():
    document = sample.measured_document()
    plot = plot_latency(document, name_candidates(document.candidates))
    assert len(plot.rows) == 9
    assert plot.rows[0][:5] == ("Support triage", "SmolLM2-135M", "160", "0.62 s", "0.60–0.65 s")
    for panel in plot.panels:
        assert panel.svg.count('class="dot ') == 3 * NUM_DOTS
        assert panel.svg.count('class="quantile ') == 3 * 2


@pytest.mark.parametrize("seconds", [[0.0], [0.5], [0.5] * 50, [1e-9, 3600.0]])
def test_latency_survives_degenerate_profiles(seconds):
    document = sample.single_document()
    profile = replaced(document.latency_profiles[0], seconds=seconds)
    plot = plot_latency(replaced(document, claims=[], latency_profiles=[profile]), name_candidates(document.candidates))
    assert plot.panels[0].svg.count('class="dot ') == NUM_DOTS
    assert plot.rows[0][3:] == ("not enough data", "—", "not enough data", "—")
    assert "nan" not in plot.panels[0].svg


@given(st.lists(st.floats(0, 300), min_size=NUM_DOTS, max_size=NUM_DOTS))
def test_stacks_keep_every_dot_and_fit_the_row(places):
    stacks, diameter = _stacked(sorted(places))
    assert sum(num for _, num in stacks) == NUM_DOTS
    assert max(num for _, num in stacks) * diameter <= DOTS_HEIGHT


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_a_log_scale_holds_its_values_in_order_with_few_ticks(values):
    scale = log_over(values, 10.0, 310.0)
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(10.0 <= place <= 310.0 for place in places)
    assert 0 < len(scale.ticks(5)) <= 5


@given(low=st.floats(-10, 10), span=st.floats(0.01, 100))
def test_linear_ticks_are_round_inside_and_few(low, span):
    scale = Linear(low, low + span, 0.0, 100.0)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in ticks)


def test_values_outside_a_scale_stick_to_its_ends():
    assert Linear(0.0, 1.0, 0.0, 100.0)(2.0) == 100.0
    assert Log(0.1, 10.0, 0.0, 100.0)(0.001) == 0.0


def test_svg_escapes_children_and_attributes():
    drawn = element("text", "<b>&", class_='x" onload="y', font_size=1.25)
    assert drawn == '<text class="x&#34; onload=&#34;y" font-size="1.2">&lt;b&gt;&amp;</text>'
