"""Figures as people read them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.verdict import wording
from seatrial.verdict.document import Span


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0 %"), (0.8312499, "83 %"), (0.004, "0.4 %"), (0.996, "99.6 %"), (1, "100 %"), (0.125, "12 %")],
)
def test_percent(fraction: float, text: str) -> None:
    assert wording.percent(fraction) == text


def test_share_of() -> None:
    assert wording.share_of(0.8312499, 0.77, 0.88, 170, "tickets") == "83 % over 170 tickets, give or take 6"
    assert wording.share_of(0.5, None, None, 1_200) == "50 % over 1,200 items"


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0"), (0.0002, "under $0.001"), (0.0031, "$0.0031"),
     (0.0139, "$0.014"), (0.25, "$0.25"), (1.2, "$1.20"), (2, "$2"), (73, "$73"),
     (1234.5, "$1,234"), (0.05, "$0.05"), (0.0999, "$0.10")],
)  # fmt: skip
def test_usd(amount: float, text: str) -> None:
    assert wording.usd(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(0.025, "$0.025"), (0.1, "$0.10"), (2.0, "$2"), (10.0, "$10"), (1.25, "$1.25")]
)
def test_list_prices_are_exact(amount: float, text: str) -> None:
    assert wording.list_price(amount) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0004, "under 1 ms"), (0.14, "140 ms"), (0.9996, "1.0 s"), (2.44, "2.4 s"), (9.96, "10 s"), (75, "75 s"),
     (240, "4.0 min")],
)  # fmt: skip
def test_seconds(value: float, text: str) -> None:
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(7, "7"), (999, "999"), (112_307.7, "112,000"), (999_600, "1 million"), (1_234_567, "1.23 million"),
     (3.08e9, "3.08 billion"), (2.5e15, "2,500 trillion")],
)  # fmt: skip
def test_rough(value: float, text: str) -> None:
    assert wording.rough(value) == text


@pytest.mark.parametrize(
    ("difference", "text"), [(-0.06, "6 points"), (0.01, "1 point"), (0.004, "0.4 points"), (0.0, "0 points")]
)
def test_points(difference: float, text: str) -> None:
    assert wording.points(difference) == text


def test_days_and_dates() -> None:
    assert wording.day(date(2026, 12, 11)) == "11 December 2026"
    assert [wording.from_today(n) for n in (19, 1, 0, -1, -12)] == [
        "in 19 days",
        "in 1 day",
        "today",
        "1 day ago",
        "12 days ago",
    ]


def test_listing() -> None:
    assert [wording.listing(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@given(st.floats(0, 1e15, allow_nan=False))
def test_no_amount_is_unreadable(value: float) -> None:
    for text in (wording.usd(value), wording.rough(value), wording.seconds(value), wording.list_price(value)):
        assert "e+" not in text
        assert "e-" not in text
        assert len(text) <= 30


def test_sentences_join_neighbouring_words_and_keep_evidence() -> None:
    number = Span(text="7", evidence=["run:a:b"])
    assert wording.says("It has ", "", number, " of ", "them", [Span(text="."), number]) == [
        Span(text="It has "), number, Span(text=" of them"), Span(text="."), number,
    ]  # fmt: skip
