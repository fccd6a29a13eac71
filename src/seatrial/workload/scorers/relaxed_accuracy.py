"""The `relaxed_accuracy` scorer: the same text, or a number that is near enough.

The measure of ChartQA (Masry et al. 2022, section 5.1, after PlotQA, Methani et al. 2020): a number is right within 5 %
of the expected one, because it may have to be read off an axis; any other answer must be the same text. The whole
answer is the number: `12`, `-3.5`, `1,250.00`, `$45.20`, `EUR 45.20`, `45.20 kg`, `12 %`. Around it only quotes,
brackets, markdown and a full stop are passed over: a number within a sentence is a text.

What the measure leaves open is settled so: `12 %` may mean 12 or 0.12 beside a number without the sign; beside an
expected 0 only 0 is near enough; a unit counts where both sides name one, a word that multiplies (`5 million`, `5k`)
where either does; digits that begin with a needless zero (`0042`) are a name, not a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from seatrial.workload.scorers.forms import fold
from seatrial.workload.scorers.settings import Setting, boolean, choice, not_negative, show
from seatrial.workload.scorers.text import accepted_texts, check_texts
from seatrial.workload.specification import Score

RELAXED_ACCURACY_SETTINGS = {
    "tolerance": Setting(not_negative, 0.05),
    "exact_years": Setting(boolean, False),
    "decimal": Setting(choice(".", ","), "."),
}
_YEARS = range(1900, 2101)
_LONGEST_NUMBER, _MOST_DIGITS = 60, 15
_ROUNDING = 1e-9
_SIGNS = {"$": "usd", "us$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr", "percent": "%", "per cent": "%"}
_MULTIPLES = frozenset(
    ("k", "mn", "bn", "dozen", "hundred", "thousand", "lakh", "million", "millions", "crore", "billion", "billions",
     "trillion")
)  # fmt: skip
_BEFORE = r"us\$|[$€£¥₹]|(?:usd|eur|gbp|jpy|inr|chf|sek|nok|dkk|aud|cad|myr|rm)(?=[\s\d.-])"
_FORM = re.compile(
    rf"(?P<sign>[-+])?(?P<before>{_BEFORE})?\s?(?P<late_sign>-)?"
    r"(?P<digits>\d[\d.,'\s]*|[.,]\d+)(?P<power>e[-+]?\d{1,2})?\s?"
    r"(?P<after>%|[$€£¥₹]|per cent|[^\W\d_]{1,12})?"
)
_EDGES = re.compile(r"\A(?:[\s;:!?\"'`*_()\[\]{}<>]|[.,](?!\d))+|[\s.,;:!?\"'`*_()\[\]{}<>]+\Z")


class Quantity(NamedTuple):
    """A number as an answer gives it, and what stands with it: `kg`, `usd`, `%`, or nothing."""

    value: float
    unit: str


def relaxed_accuracy(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """1 where the answer is an accepted text, or a number within the tolerance of an accepted one.

    `parsed` is the number where the answer is one, else its text.
    """
    answer = plain(text)
    if not answer:
        return Score(0.0, None, "empty answer")
    given = read_quantity(answer, settings["decimal"])
    parsed = answer if given is None else given.value
    accepted = accepted_texts(expected)
    for one in accepted:
        form = plain(one)
        if form == answer:
            return Score(1.0, parsed, "equal")
        wanted = read_quantity(form, settings["decimal"])
        if given is not None and wanted is not None and _is_near(given, wanted, settings):
            return Score(1.0, parsed, f"near {show(one)}")
    return Score(0.0, parsed, f"not {'near' if given is not None else 'equal to'} {show(accepted[0])}")


def check_expected(settings: Mapping[str, Any], expected: Any) -> Any:
    """A text, a number, or a list of them, none empty.

    Raises:
        ValueError: it is anything else.
    """
    check_texts({}, expected)
    for one in accepted_texts(expected):
        if not plain(one):
            raise ValueError(f"{show(one)} has neither a letter nor a digit")
    return expected


def plain(text: str) -> str:
    """Folded text without quotes, brackets, markdown or full stops at its edges; the dot of `.5` stays."""
    folded = fold(text)
    while (trimmed := _EDGES.sub("", folded)) != folded:
        folded = trimmed
    return folded


def read_quantity(text: str, decimal: str = ".") -> Quantity | None:
    """The number that a whole text is, None where it is anything else. `text` is `plain`."""
    match = _FORM.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None or (match["before"] and match["after"]) or (match["sign"] and match["late_sign"]):
        return None
    digits = _plain_digits(match["digits"], decimal)
    if digits is None:
        return None
    value = float(digits + (match["power"] or ""))
    unit = match["before"] or match["after"] or ""
    is_negative = "-" in (match["sign"], match["late_sign"])
    return Quantity(-value if is_negative else value, _SIGNS.get(unit, unit))


def _plain_digits(digits: str, decimal: str) -> str | None:
    """`1,250.00` as `1250.00`; None where the marks stand where no number has them, as in `12.03.2026`."""
    other = re.escape("," if decimal == "." else ".")
    whole, _, fraction = digits.strip().partition(decimal)
    if not re.fullmatch(r"[0-9]*", fraction):
        return None
    grouped = (
        rf"[0-9]*|[0-9]{{1,3}}(?:(?:{other}|['\s])[0-9]{{3}})+|[0-9]{{1,2}}(?:{other}[0-9]{{2}})+{other}[0-9]{{3}}"
    )
    if not re.fullmatch(grouped, whole):
        return None
    whole = re.sub(r"[^0-9]", "", whole)
    if not whole + fraction or len(whole + fraction) > _MOST_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        return None
    return f"{whole or '0'}.{fraction or '0'}"


def _is_near(given: Quantity, wanted: Quantity, settings: Mapping[str, Any]) -> bool:
    if given.unit != wanted.unit and ((given.unit and wanted.unit) or _MULTIPLES & {given.unit, wanted.unit}):
        return False
    if settings["exact_years"] and not wanted.unit and wanted.value in _YEARS:
        return given.value == wanted.value
    share = settings["tolerance"] + _ROUNDING
    alike = given.unit == wanted.unit
    return any(
        abs(one - other) <= share * abs(other) for one in _meanings(given, alike) for other in _meanings(wanted, alike)
    )


def _meanings(quantity: Quantity, alike: bool) -> tuple[float, ...]:
    """What the number may stand for; `alike`: both sides name the same unit, or none."""
    hundredths = quantity.unit == "%" and not alike
    return (quantity.value, quantity.value / 100) if hundredths else (quantity.value,)
