"""A model's prices over time: what the steps say, and that no entry can break the drawing."""

from __future__ import annotations

import dataclasses
import re
from datetime import date, timedelta
from typing import Any

import page_rules
from hypothesis import given, settings
from hypothesis import strategies as st
from page_tree import parse

from seatrial.catalog.entry import Entry, Fact, Price, Retirement, Source
from seatrial.catalog.loading import load_catalog
from seatrial.site.pages.price_chart import HEIGHT, WIDTH, price_chart

assert page_rules

TODAY = date(2026, 11, 16)
SOURCE = Source("list", "Price list", "https://example.org/prices", TODAY, "published")


def entry_with(*prices: Price, released: date | None = date(2025, 8, 7), ends_on: date | None = None) -> Entry:

    plain = load_catalog().get("gpt-6-luna")
    return dataclasses.replace(
        plain,
        prices=tuple(Fact(f"x/prices/{place}", price, SOURCE) for place, price in enumerate(prices)),
        released=() if released is None else (Fact("x/released", released, SOURCE),),
        retirement=() if ends_on is None else (Fact("x/retirement", Retirement(ends_on, None), SOURCE),),
    )


def tips(svg: str) -> list[str]:
    return [group.all("title")[0].text for group in parse(svg).all("g", "tip")]


def test_each_price_says_on_hover_what_it_is_since_when_and_by_whom() -> None:
    plot = price_chart(entry_with(Price(0.25, 2.0, 0.025)), TODAY)
    assert plot is not None
    said = tips(str(plot.panels[0].svg))
    assert "Output: $2 per million tokens, since release (Price list)" in said
    assert "Cached input: $0.025 per million tokens, since release (Price list)" in said
    assert "Today: 16 November 2026" in said


def test_a_change_of_price_is_a_step_and_a_line_of_the_table() -> None:
    plot = price_chart(entry_with(Price(0.5, 4.0), Price(0.25, 2.0, valid_from=date(2026, 3, 1))), TODAY)
    assert plot is not None
    said = tips(str(plot.panels[0].svg))
    assert "Input: $0.50 per million tokens, since release (Price list)" in said
    assert "Input: $0.25 per million tokens, from 2026-03-01 (Price list)" in said
    assert [row[:3] for row in plot.rows] == [
        ("since release", "of any length", "$0.50"),
        ("from 2026-03-01", "of any length", "$0.25"),
    ]
    described = parse(str(plot.panels[0].svg)).all("desc")[0].text
    assert "input: $0.50 since release, then $0.25 from 2026-03-01" in described


def test_the_last_day_is_marked_and_said() -> None:
    plot = price_chart(entry_with(Price(0.25, 2.0), ends_on=date(2026, 12, 11)), TODAY)
    assert plot is not None
    assert "Shuts down: 11 December 2026" in tips(str(plot.panels[0].svg))
    past = price_chart(entry_with(Price(0.25, 2.0), ends_on=date(2026, 11, 1)), TODAY)
    assert past is not None
    assert "Shut down: 1 November 2026" in tips(str(past.panels[0].svg))


def test_a_tier_for_long_prompts_is_in_the_table_and_not_in_the_line() -> None:
    plot = price_chart(entry_with(Price(1.0, 5.0), Price(2.0, 7.5, above_prompt_tokens=272_000)), TODAY)
    assert plot is not None
    assert [row[1] for row in plot.rows] == ["of any length", "above 272,000 tokens"]
    assert not any("$7.50" in said for said in tips(str(plot.panels[0].svg)))


def test_no_price_no_chart() -> None:
    assert price_chart(entry_with(), TODAY) is None
    assert price_chart(load_catalog().get("smollm3-3b"), TODAY) is None


def test_something_free_is_drawn_on_an_axis_that_has_zero() -> None:
    plot = price_chart(entry_with(Price(0.0, 0.0)), TODAY)
    assert plot is not None
    assert "Prices start at nothing" in plot.reading
    assert "nan" not in str(plot.panels[0].svg)


def test_it_says_where_the_release_is_not_known() -> None:
    plot = price_chart(entry_with(Price(1.0, 2.0), released=None), TODAY)
    assert plot is not None
    assert "release is not known" in plot.remark


dates = st.dates(date(1990, 1, 1), date(2100, 1, 1))
usd = st.floats(0, 999_999, allow_subnormal=False)
prices = st.builds(
    Price,
    input_usd=usd,
    output_usd=usd,
    cached_input_usd=st.none() | usd,
    valid_from=st.none() | dates,
    above_prompt_tokens=st.none() | st.just(1000),
)


@settings(deadline=None)
@given(
    made=st.lists(prices, max_size=5),
    released=st.none() | dates,
    ends_on=st.none() | dates,
    today=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
)
def test_whatever_an_entry_says_the_lines_stay_inside_the_drawing(
    made: list[Price], released: date | None, ends_on: date | None, today: date
) -> None:
    plot = price_chart(entry_with(*made, released=released, ends_on=ends_on), today)
    if plot is None:
        assert all(price.above_prompt_tokens for price in made)
        return
    tree = parse(str(plot.panels[0].svg))
    for path in tree.all("path"):
        numbers = [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", str(path.attributes["d"]))]
        assert all(0 <= x <= WIDTH for x in numbers[::2]), path.attributes
        assert all(0 <= y <= HEIGHT for y in numbers[1::2]), path.attributes
    assert len(plot.rows) == len(made)


def test_a_hostile_source_stays_text() -> None:
    hostile = Source("x", page_rules.HOSTILE, "javascript:alert(1)", TODAY, "published")
    entry: Any = entry_with(Price(1.0, 2.0))

    entry = dataclasses.replace(entry, name=page_rules.HOSTILE, prices=(Fact("x/p", Price(1.0, 2.0), hostile),))
    plot = price_chart(entry, TODAY + timedelta(days=1))
    assert plot is not None
    tree = parse(str(plot.panels[0].svg))
    assert not tree.all("script")
    assert not tree.all("img")
