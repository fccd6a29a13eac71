"""What changed: verdicts from the runs, prices and retirements from the catalog's dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from readers import small_catalog

from seatrial.catalog.loading import load_catalog
from seatrial.site.digest import wording
from seatrial.site.digest.changes import NOTICE_DAYS, catalog_changes, changes_between, latest_changes
from seatrial.site.digest.week import Week

PAIR = "gpt-5-mini-vs-smollm3-3b"
WEEK = Week(2026, 47)
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
AddRun = Callable[..., None]


def told(changes: Any) -> list[tuple[str, str, str]]:
    return [(wording.kind(change), wording.headline(change), wording.text(change)) for change in changes]


def test_a_first_run_is_new_and_another_verdict_is_a_flip(library: Any, add_run: AddRun) -> None:
    add_run(PAIR, MONDAY - timedelta(seconds=1), "undecided", None, "Cannot tell")
    add_run(PAIR, MONDAY, "undecided", None, "Still cannot tell")
    add_run("smollm2-135m-f32-vs-smollm3-3b", MONDAY + timedelta(days=1), "ship", "smollm3-3b", "Ship smollm3-3b.")
    add_run(PAIR, MONDAY + timedelta(days=2), "ship", "gpt-5-mini", "Ship gpt-5-mini\nnow")
    add_run(PAIR, MONDAY + timedelta(days=7), "skip", None, "Too late for this week")
    changes = changes_between(library, WEEK.begins_at, WEEK.ends_at)
    assert told(changes) == [
        ("new", "SmolLM2-135M (f32) or SmolLM3-3B?", "Ship smollm3-3b."),
        (
            "flipped",
            "GPT-5 mini or SmolLM3-3B? Now: ship gpt-5-mini",
            "Ship gpt-5-mini now. Before, the verdict was: undecided.",
        ),
    ]
    assert wording.path(changes[1]) == f"/compare/{PAIR}"


def test_a_price_changes_on_the_day_from_which_it_holds() -> None:
    prices = (
        (None, 0.25, 2.0),
        (date(2026, 11, 18), 0.3, 2.0),
        (date(2026, 11, 18), 9.0, 9.0),
        (date(2026, 12, 1), 0.3, 2.0),
    )
    catalog = small_catalog(prices=prices)
    (change,) = catalog_changes(catalog, WEEK.begins_at, WEEK.ends_at)
    assert told([change]) == [
        (
            "price",
            "GPT-5 mini costs $0.30 in and $2.00 out per million tokens",
            "List price since 2026-11-18: $0.30 in and $2.00 out per million tokens, "
            "before that $0.25 in and $2.00 out.",
        )
    ]
    assert wording.path(change) == "/models/gpt-5-mini"
    assert catalog_changes(catalog, datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)) == []


def test_a_first_price_has_nothing_before_it() -> None:
    (change,) = catalog_changes(
        small_catalog(prices=((date(2026, 11, 16), 0.025, 1200.5),)), WEEK.begins_at, WEEK.ends_at
    )
    assert wording.text(change) == "List price since 2026-11-16: $0.025 in and $1,200.50 out per million tokens."


def test_a_retirement_is_told_at_each_distance_once() -> None:
    on = date(2026, 12, 11)
    catalog = small_catalog(retires_on=on)
    weeks = [Week(2026, 30)]
    while weeks[-1].begins_at.date() <= on:
        weeks.append(Week(*(weeks[-1].ends_at.date().isocalendar()[:2])))
    changes = [change for week in weeks for change in catalog_changes(catalog, week.begins_at, week.ends_at)]
    assert [change.at.date() for change in changes] == [on - timedelta(days=days) for days in NOTICE_DAYS]
    assert wording.headline(changes[1]) == "GPT-5 mini will be retired on 2026-12-11"
    assert wording.headline(changes[-1]) == "GPT-5 mini is retired"
    assert wording.text(changes[-1]) == "From 2026-12-11 on it no longer answers. Its maker names gpt-6 in its place."


def test_the_shipped_catalog_can_be_told(library: Any) -> None:
    changes = catalog_changes(load_catalog(), datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert {wording.kind(change) for change in changes} == {"price", "retirement"}
    for _, headline, text in told(changes):
        assert headline
        assert text.endswith(".")


def test_the_latest_changes_come_newest_first(library: Any, add_run: AddRun) -> None:
    for hour in range(5):
        add_run(f"a-vs-b{hour}", MONDAY + timedelta(hours=hour), "skip")
    changes = latest_changes(library, MONDAY + timedelta(hours=4), 3)
    assert [change.slug for change in changes] == ["a-vs-b3", "a-vs-b2", "a-vs-b1"]  # type: ignore[union-attr]


@pytest.mark.parametrize("decision", ["mix", "skip", "undecided"])
def test_every_decision_has_words(library: Any, add_run: AddRun, decision: str) -> None:
    add_run(PAIR, MONDAY, "ship", "smollm3-3b", "First")
    add_run(PAIR, MONDAY + timedelta(hours=1), decision, None, "Second")
    flip = changes_between(library, WEEK.begins_at, WEEK.ends_at)[1]
    assert wording.text(flip) == "Second. Before, the verdict was: ship smollm3-3b."
    assert "Now: " in wording.headline(flip)
