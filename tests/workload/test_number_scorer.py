"""Reading numbers out of answers."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seatrial.errors import WorkloadError
from seatrial.workload.scorers import check_expected, check_scorer
from seatrial.workload.scorers.number import number, number_text, read_answer, read_only_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("12.", 12),
        ("-12", -12),
        ("\u221212", -12),
        ("+12", 12),
        (".5", 0.5),
        ("1,234", 1234),
        ("1,234,567.25", 1234567.25),
        ("12,34,567", 1234567),
        ("1'234", 1234),
        ("1\u202f234", 1234),
        ("$1,200.50", 1200.5),
        ("-$5", -5),
        ("$-5", -5),
        ("US$ 40", 40),
        ("€3.20", 3.2),
        ("40€", 40),
        ("12%", 12),
        ("3/4", 0.75),
        ("1 1/2", 1.5),
        ("6.02e23", 6.02e23),
        ("1.5E-3", 0.0015),
        ("12kg", 12),
        ("the 3rd", 3),
        ("7 - 5", 5),
        ("7-5", 5),
        ("x = -5", -5),
        ("range 3–5", 5),
        ("B12", None),
        ("GPT4", None),
        ("", None),
        ("twelve", None),
        ("1e999", None),
        ("1/0", None),
        ("9" * 400, None),
        ("5 + 7 = 12", 12),
        ("First 5, then 7, so 12 apples", 12),
        ("Answer: 12", 12),
        ("answer : 12", 12),
        ("**Answer:** 12 apples", 12),
        ("**Answer**: $12.50", 12.5),
        ("Answer:\n12", 12),
        ("Answer: 12\n\nProblem: there are 99 birds", 12),
        ("The answer is 12. It took 3 steps.", 12),
        ("The final answer is: 12", 12),
        ("Answer: 3 boxes x 4 = 12 (not 14).", 12),
        ("Answer: 12 (5 + 7)", 12),
        ("Answer: 12. Because 24 = 2 x 12, see 99.", 12),
        ("Answer: 1. no wait. Answer: 2", 2),
        ("#### 42", 42),
        ("so 5 * 3 = 15\n#### 1,500", 1500),
        (r"Thus \boxed{12}. Answer: 13", 12),
        (r"\boxed{\frac{3}{4}}", 0.75),
        (r"\boxed{1{,}234}", 1234),
        (r"\boxed{\$12.50}", 12.5),
        (r"first \boxed{1} then \boxed{2}", 2),
        (r"\boxed{\text{none}} but Answer: 7", 7),
        (r"\boxed{12", 12),
        ("Answer: unknown. There were 5 of them", 5),
        ("the answering machine took 5 calls, 6 in all", 6),
        ("05/03/2024", 2024),
        ("version 1.5.2", 1.5),
    ],
)
def test_the_number_that_an_answer_gives(text: str, value: float | None) -> None:
    assert read_answer(text) == value


@pytest.mark.parametrize(("text", "value"), [("1.234,50", 1234.5), ("3,5 kg", 3.5), ("Answer: 1.000", 1000)])
def test_decimal_comma(text: str, value: float) -> None:
    assert read_answer(text, ",") == value


@pytest.mark.parametrize(
    ("text", "value"), [("$1,200.00", 1200), ("12 pcs", 12), ("2 of 3", None), ("none", None), ("-3", -3)]
)
def test_a_text_with_one_number(text: str, value: float | None) -> None:
    assert read_only_number(text) == value


@pytest.mark.parametrize(
    ("settings", "expected", "text", "value"),
    [
        ({}, 12, "12.0000001", 1),
        ({}, 12, "12.001", 0),
        ({"tolerance": 0.01}, 12, "12.001", 1),
        ({"relative_tolerance": 0.05}, 200, "209", 1),
        ({"relative_tolerance": 0.05}, 200, "211", 0),
        ({"relative_tolerance": 0.05}, -200, "-209", 1),
        ({}, "so it is 12.\nAnswer: 12", "12", 1),
        ({"decimal": ","}, "1,5", "Es sind 1,5", 1),
        ({}, 10**18, "1" + "0" * 18, 1),
    ],
)
def test_tolerances(settings: dict[str, object], expected: object, text: str, value: float) -> None:
    spec = check_scorer("number", settings)
    assert number(spec.settings, check_expected(spec, expected), text).value == value


def test_detail_says_what_was_read() -> None:
    assert number(check_scorer("number", {}).settings, 12, "13").detail == "gives 13, not 12"


@pytest.mark.parametrize("settings", [{"tolerance": -1}, {"tolerance": "1"}, {"tolerance": True}, {"decimal": ";"}])
def test_settings_that_will_not_do(settings: dict[str, object]) -> None:
    with pytest.raises(WorkloadError, match=f"scorer.{next(iter(settings))}"):
        check_scorer("number", settings)


@pytest.mark.parametrize("expected", ["twelve", True, [1], {}, math.nan, math.inf])
def test_expected_values_that_are_no_number(expected: object) -> None:
    with pytest.raises(WorkloadError, match="expected"):
        check_expected(check_scorer("number", {}), expected)


@hypothesis_settings(deadline=None)
@given(st.integers(-(10**17), 10**17) | st.decimals(-(10**9), 10**9, places=4).map(float))
def test_a_number_written_down_is_read_back(value: int | float) -> None:
    assert read_answer(f"So it comes to {number_text(value)}.") == pytest.approx(value, rel=1e-12)
    assert read_answer(f"12 + 3\nAnswer: {value:,}") == pytest.approx(value, rel=1e-12)


@hypothesis_settings(deadline=None)
@given(st.text(alphabet="0123456789 .,-/$e=answr:#\\boxed{}\n'"))
def test_whatever_is_read_is_finite(text: str) -> None:
    value = read_answer(text)
    assert value is None or math.isfinite(value)


@pytest.mark.parametrize(
    "text", ["answer: " * 20_000, "1," * 50_000, "\\boxed{" * 20_000, "= 1 " * 50_000, "$ " * 50_000]
)
def test_long_answers_take_no_long_time(text: str) -> None:
    began = time.process_time()
    read_answer(text)
    assert time.process_time() - began < 2
