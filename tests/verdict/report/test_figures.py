"""Numbers read as people write them: units, significant digits, minus signs, and unknown as unknown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.verdict.report.figures import (
    count,
    interval,
    list_price,
    percent,
    points,
    quantity,
    seconds,
    seconds_tick,
    usd,
    usd_tick,
)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (percent, 0.0, "0%"),
        (percent, 1.0, "100%"),
        (percent, 0.394, "39.4%"),
        (percent, 0.0004, "0%"),
        (percent, 0.06, "6.0%"),
        (points, 0.0313, "+3.1 pts"),
        (points, -0.362, "−36.2 pts"),
        (points, -0.0001, "0.0 pts"),
        (seconds, 0.0, "0 s"),
        (seconds, 0.62, "0.62 s"),
        (seconds, 1.488, "1.49 s"),
        (seconds, 74.96, "75.0 s"),
        (seconds, 1234.5, "1,234 s"),
        (seconds, 0.0011, "1.1 ms"),
        (seconds, 0.00004, "40 µs"),
        (usd, 0.0, "$0"),
        (usd, 0.0172, "$0.017"),
        (usd, 0.1, "$0.10"),
        (usd, 0.115, "$0.115"),
        (usd, 2.5, "$2.50"),
        (usd, 12345.6, "$12,346"),
        (usd, -0.5, "−$0.50"),
        (usd, 0.0000012, "$0.0000012"),
        (list_price, 0.25, "$0.25"),
        (list_price, 2.0, "$2.00"),
        (list_price, 0.025, "$0.025"),
        (count, 31.2, "31.2"),
        (count, 211.4, "211"),
        (count, 1_234_567.0, "1,234,567"),
        (seconds_tick, 0.0001, "100 µs"),
        (seconds_tick, 0.01, "10 ms"),
        (seconds_tick, 0.1, "0.1 s"),
        (seconds_tick, 20.0, "20 s"),
        (usd_tick, 0.02, "$0.02"),
        (usd_tick, 5.0, "$5"),
    ],
)
def test_values_in_their_units(write, value, text):
    assert write(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "fraction", "not enough data"),
        (math.nan, "usd", "not enough data"),
        (math.inf, "seconds", "not enough data"),
        (True, "fraction", "yes"),
        (False, "yes/no", "no"),
        ("Apache-2.0", "", "Apache-2.0"),
        (5806.4, "per_hour", "5,810/h"),
        (3.14159, "furlongs", "3.14 furlongs"),
    ],
)
def test_unknown_is_said_and_other_kinds_pass(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (0.318, 0.47, "fraction", "31.8–47.0%"),
        (0.6, 0.65, "seconds", "0.60–0.65 s"),
        (0.000084, 0.00015, "seconds", "84 µs–0.15 ms"),
        (0.0163, 0.0182, "usd", "$0.016–$0.018"),
        (-0.031, 0.012, "points", "−3.1 to +1.2 pts"),
        (205.0, 218.0, "tokens", "205–218"),
        (None, 1.0, "usd", ""),
        (0.0, math.inf, "usd", ""),
    ],
)
def test_intervals_say_their_unit_once(low, high, unit, text):
    assert interval(low, high, unit) == text


UNITS = ["fraction", "points", "seconds", "usd", "tokens", "per_hour", "x"]


@given(value=st.floats(-1e15, 1e15, exclude_min=True, exclude_max=True), unit=st.sampled_from(UNITS))
def test_any_finite_number_can_be_written_without_an_exponent(value, unit):
    shown = quantity(value, unit)
    assert any(digit in shown for digit in "0123456789")
    assert "e" not in shown
