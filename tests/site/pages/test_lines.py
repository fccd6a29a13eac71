"""Comparisons and models as lines: names for ids, prices of the day, and how a shutdown is said."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from seatrial.site.pages.lines import comparison_line, model_line, readable, shutdown

TODAY = date(2026, 11, 16)


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (date(2026, 12, 11), "shuts down on 11 December 2026, in 25 days"),
        (date(2026, 11, 17), "shuts down on 17 November 2026, in 1 day"),
        (TODAY, "shuts down on 16 November 2026, today"),
        (date(2026, 11, 14), "was shut down on 14 November 2026, 2 days ago"),
    ],
)
def test_a_shutdown_is_said_with_how_far_it_is(on: date, said: str) -> None:
    assert shutdown(on, TODAY) == said


def test_ids_between_backticks_become_names_and_nothing_else_changes() -> None:
    assert (
        readable("Ship `a-1`: `a-1` beats `b` on `--on x`.", {"a-1": "A One"}) == "Ship A One: A One beats b on --on x."
    )
    assert readable("An odd ` stays", {}) == "An odd ` stays"


def test_a_model_has_the_price_of_the_day(library: Any) -> None:
    line = model_line(library.catalog.get("gpt-5-mini"), TODAY)
    assert (line.price, line.context, line.fee) == ("$0.25 in, $2 out", "400,000", "Paid")
    local = model_line(library.catalog.get("smollm3-3b"), TODAY)
    assert (local.price, local.runs, local.retires) == ("none per token", "on your machine", "")
    unknown = model_line(library.catalog.get("mobilevlm"), TODAY)
    assert unknown.context == "—"


def test_a_comparison_reads_with_names(library: Any) -> None:
    line = comparison_line(next(each for each in library.listings() if each.slug == "gpt-5-mini-vs-smollm3-3b"))
    assert line.title == "GPT-5 mini or SmolLM3-3B"
    assert "`" not in line.sentence
    assert line.data()["added_at"] is None
