"""`anls` and `relaxed_accuracy`, the measures of DocVQA and ChartQA, against plain forms of what was published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seatrial.errors import WorkloadError
from seatrial.workload.scorers import check_expected, check_scorer, score
from seatrial.workload.scorers.anls import edit_distance
from seatrial.workload.scorers.relaxed_accuracy import Quantity, plain, read_quantity
from seatrial.workload.specification import Item, Prompt, Score, Workload


def scored(scorer: str, expected: object, text: str, **settings: object) -> Score:
    spec = check_scorer(scorer, settings)
    item = Item("1", "q", check_expected(spec, expected))
    return score(Workload("w", "1", "w", "extraction", "", "", Prompt(), spec, (item,), (), "w", "f"), item, text)


@pytest.mark.parametrize(
    ("expected", "text", "value"),
    [
        ("receipt", "receipt", 1.0),
        ("receipt", "  RECEIPT \n", 1.0),
        ("receipt", "recipt", 1 - 1 / 7),
        ("receipt", "bill", 0.0),
        ("receipt", "", 0.0),
        ("1,250.00", "1,250.80", 1 - 1 / 8),
        ("ab", "a", 0.0),  # half of it wrong is the threshold itself, which scores nothing
        ("abc", "ab", 1 - 1 / 3),
        (["Harrow Lane", "Harrow Lane Grocer"], "Harrow Lane Grocer", 1.0),
        (["x", "Harrow Lane Grocer"], "Harrow Lane Grocr", 1 - 1 / 18),
        (["a", "b"], "c", 0.0),
        (12, "12", 1.0),
        ("straße", "STRASSE", 1.0),
        ("new  york", "new\nyork", 1.0),
    ],
)
def test_anls(expected: object, text: str, value: float) -> None:
    assert scored("anls", expected, text).value == pytest.approx(value)


def test_anls_settings() -> None:
    assert scored("anls", "abcd", "abXY", threshold=0.6).value == 0.5
    assert scored("anls", "abcd", "wxyz", threshold=1).value == 0.0
    assert scored("anls", "abcd", "ABCD", ignore_case=False).value == 0.0
    assert scored("anls", "abcd", "abcX").detail == "near 'abcd'"
    assert scored("anls", "abcd", "wxyz").detail == "too far from 'abcd'"
    assert scored("anls", "abcd", " ") == Score(0.0, None, "empty answer")
    for threshold in (0, -1, 1.5, True, "half", float("nan")):
        with pytest.raises(WorkloadError, match="above 0 and at most 1"):
            check_scorer("anls", {"threshold": threshold})
    with pytest.raises(WorkloadError, match="longer than 4,000"):
        check_expected(check_scorer("anls", {}), "x" * 5000)


def slow_distance(first: str, second: str) -> int:
    """The textbook's table, a row at a time (Wagner & Fischer 1974)."""
    row = list(range(len(second) + 1))
    for place, character in enumerate(first, start=1):
        before, row[0] = row[0], place
        for column, other in enumerate(second, start=1):
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, before + (character != other))
    return row[-1]


few_letters = st.text(alphabet="abc€", max_size=80)


@hypothesis_settings(deadline=None)
@given(first=few_letters | st.text(max_size=20), second=few_letters | st.text(max_size=20))
def test_the_edit_distance_is_the_textbooks(first: str, second: str) -> None:
    assert edit_distance(first, second) == slow_distance(first, second)


words = st.text(alphabet="abcdeABC 12", min_size=1, max_size=14).filter(str.strip)


@hypothesis_settings(deadline=None)
@given(expected=st.lists(words, min_size=1, max_size=3), text=words)
def test_anls_is_the_published_measure(expected: list[str], text: str) -> None:
    """Biten et al. 2019, equation 1, with the folding of the challenge's own script: lower case, single blanks."""

    def plainly(one: str) -> str:
        return " ".join(one.strip().lower().split())

    distances = [
        slow_distance(plainly(one), plainly(text)) / max(len(plainly(one)), len(plainly(text))) for one in expected
    ]
    published = max(1 - distance if distance < 0.5 else 0.0 for distance in distances)
    assert scored("anls", expected, text).value == pytest.approx(published)


@hypothesis_settings(deadline=None)
@given(expected=words, text=words)
def test_anls_is_the_same_both_ways(expected: str, text: str) -> None:
    assert scored("anls", expected, text).value == pytest.approx(scored("anls", text, expected).value)


def test_anls_takes_long_texts_in_its_stride() -> None:
    assert scored("anls", "abc " * 900, "abd " * 900).value == pytest.approx(0.75, abs=0.001)
    assert scored("anls", "ab", "ab " * 100_000).value == 0


@pytest.mark.parametrize(
    ("expected", "text", "value"),
    [
        ("42", "42", 1),
        ("42", "44", 1),
        ("42", "40", 1),
        ("42", "44.1", 1),
        ("42", "44.2", 0),
        ("42", "-42", 0),
        (42, "42.0", 1),
        ("-10", "-10.4", 1),
        ("-10", "\u221210.4", 1),
        ("0", "0.0", 1),
        ("0", "0.01", 0),
        ("1,250", "1250", 1),
        ("1250.00", "$1,250.00", 1),
        ("1250", "1 250", 1),
        ("12,34,567", "1234567", 1),
        ("45.20", "EUR 45.20", 1),
        ("€45.20", "EUR 45.20", 1),
        ("€45.20", "$45.20", 0),
        ("45.20", "45.20 dollars", 1),
        ("12 kg", "12.1kg", 1),
        ("12 kg", "12 g", 0),
        ("5", "5 million", 0),
        ("5", "5k", 0),
        ("5 thousand", "5", 0),
        ("5 million", "5.1 million", 1),
        ("5 million", "5 billion", 0),
        ("42%", "42", 1),
        ("42", "42%", 1),
        ("42%", "0.42", 1),
        ("42%", "0.42%", 0),
        ("42%", "42 percent", 1),
        ("42", "**42**.", 1),
        ("42", '"42"', 1),
        (".5", ".5", 1),
        ("0.5", ".5", 1),
        ("5", ".5", 0),
        ("42", "It is 42.", 0),
        ("42", "about 42", 0),
        ("Tuesday", "tuesday.", 1),
        ("Tuesday", "Tuesdays", 0),
        ("2021", "2019", 1),
        ("Q3", "Q2", 0),
        ("INV-10023", "INV-10024", 0),
        ("004512", "004513", 0),
        ("004512", "004512", 1),
        ("12.03.2026", "12.04.2026", 0),
        ("12/03/2026", "12/03/2026", 1),
        ("14:05", "14:06", 0),
        ("1e3", "1000", 1),
        ("12345678901234567", "12345678901234568", 0),
        (["North", "7"], "7.1", 1),
        (["North", "7"], "north", 1),
        ("7", "", 0),
        ("7", "?!", 0),
    ],
)
def test_relaxed_accuracy(expected: object, text: str, value: float) -> None:
    assert scored("relaxed_accuracy", expected, text).value == value


def test_relaxed_accuracy_settings() -> None:
    assert scored("relaxed_accuracy", "100", "101", tolerance=0).value == 0
    assert scored("relaxed_accuracy", "45.20", "$45.2", tolerance=0).value == 1
    assert scored("relaxed_accuracy", "2021", "2019", exact_years=True).value == 0
    assert scored("relaxed_accuracy", "2021", "2021.0", exact_years=True).value == 1
    assert scored("relaxed_accuracy", "1,234.5", "1,2345", decimal=",").value == 0
    assert scored("relaxed_accuracy", "1.234,5", "1234,5", decimal=",").value == 1
    assert scored("relaxed_accuracy", "12", "11.9") == Score(1.0, 11.9, "near '12'")
    assert scored("relaxed_accuracy", "12", "15") == Score(0.0, 15.0, "not near '12'")
    assert scored("relaxed_accuracy", "north", "south") == Score(0.0, "south", "not equal to 'north'")
    with pytest.raises(WorkloadError, match="neither a letter nor a digit"):
        check_expected(check_scorer("relaxed_accuracy", {}), "?!")


def published_relaxed(expected: str, text: str) -> bool:
    """Masry et al. 2022 as their followers compute it (Pix2Struct, Lee et al. 2023, appendix)."""

    def number(one: str) -> float | None:
        try:
            return float(one.rstrip("%")) / 100 if one.endswith("%") else float(one)
        except ValueError:
            return None

    given, wanted = number(text), number(expected)
    if given is not None and wanted:
        return abs(given - wanted) / abs(wanted) <= 0.05
    return text.lower() == expected.lower()


figures = st.integers(-9999, 9999).map(str) | st.decimals(-999, 999, places=2).map(str)
answers = figures | figures.map(lambda one: f"{one}%") | st.sampled_from(["north", "North", "a b", "east"])


@hypothesis_settings(deadline=None)
@given(expected=answers, text=answers)
def test_what_the_published_measure_takes_is_taken(expected: str, text: str) -> None:
    if published_relaxed(expected, text):
        assert scored("relaxed_accuracy", expected, text).value == 1
    elif expected.endswith("%") == text.endswith("%") and float_or_none(expected) != 0:
        assert scored("relaxed_accuracy", expected, text).value == 0


def float_or_none(text: str) -> float | None:
    try:
        return float(text.rstrip("%"))
    except ValueError:
        return None


@hypothesis_settings(deadline=None)
@given(value=st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda one: round(one, 3)))
def test_any_number_is_read_as_itself(value: float) -> None:
    for text in (f"{value:.3f}", f"{value:,.3f}", f"${value:,.3f}", f"{value:.3f} kg"):
        read = read_quantity(plain(text))
        assert read is not None
        assert read.value == pytest.approx(value)


def test_quantities() -> None:
    assert read_quantity("us$ 12") == Quantity(12.0, "usd")
    assert read_quantity("rm12.50") == Quantity(12.5, "rm")
    assert read_quantity("$-5") == Quantity(-5.0, "usd")
    assert read_quantity("-$5") == Quantity(-5.0, "usd")
    assert read_quantity("12 %") == Quantity(12.0, "%")
    for text in ("", "-", ".", "1.2.3", "1,2", "$5$", "5 apples and pears", "--5", "1e999", "9" * 16, "٣"):
        assert read_quantity(plain(text)) is None, text


@hypothesis_settings(deadline=None)
@given(st.text())
def test_the_plain_form_is_its_own(text: str) -> None:
    assert plain(plain(text)) == plain(text)
