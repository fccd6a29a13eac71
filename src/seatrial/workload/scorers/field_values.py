"""The types of a `json_fields` field: how each is checked in what is expected, and compared with what was answered.

A comparison gives how much there was to find, how much was answered and how much of it was right. A scalar counts 1, a
list its length; what is absent counts 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from seatrial.workload.scorers.forms import bare
from seatrial.workload.scorers.number import is_close, read_only_number
from seatrial.workload.scorers.settings import show

FieldSpec = Mapping[str, Any]
_MOST_PAIRED = 200
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_DATES = (
    re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?:[t ]\d\d:\d\d.*)?"),
    re.compile(rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH},?\s(?P<year>\d{{4}})"),
    re.compile(rf"{_MONTH}\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>\d{{4}})"),
)


class Match(NamedTuple):
    """How much was expected, answered, and right."""

    expected: float
    answered: float
    right: float

    @property
    def f1(self) -> float:
        """2 x right / (expected + answered); 1 where there was nothing to find and nothing answered."""
        total = self.expected + self.answered
        return 2 * self.right / total if total else 1.0


def is_absent(value: Any) -> bool:
    """Whether a value says that there is none: null, an empty text, an empty list."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def compare(spec: FieldSpec, expected: Any, answered: Any) -> Match:
    """Hold an answered value against the expected one, under the field's type."""
    if spec["type"] in ("strings", "objects"):
        return _compare_lists(spec, _as_list(expected), _as_list(answered))
    wanted, given = not is_absent(expected), not is_absent(answered)
    right = wanted and given and _SAME[spec["type"]](spec, expected, answered)
    return Match(float(wanted), float(given), float(right))


def check_value(spec: FieldSpec, value: Any) -> None:
    """An expected value of the field's type.

    Raises:
        ValueError: it is of another type, or absent where the field is not optional.
    """
    if is_absent(value):
        if not spec["optional"] and spec["type"] not in ("strings", "objects"):
            raise ValueError("is absent; declare the field `optional = true` if that can be")
        return
    match spec["type"]:
        case "string":
            fits = isinstance(value, str)
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            fits = not isinstance(value, bool) and isinstance(value, int | float) and value == int(value)
        case "boolean":
            fits = isinstance(value, bool)
        case "date":
            fits = isinstance(value, str) and len(value) == 10 and read_date(value) is not None and value[4] == "-"
        case "strings":
            fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        case _:
            fits = isinstance(value, list) and all(isinstance(one, dict) for one in value)
    if not fits:
        raise ValueError(f"must be {_WANTED[spec['type']]}, is {show(value)}")


def read_date(text: str) -> date | None:
    """The day that a text names, None where it names none or leaves the month open (05/03/2026)."""
    folded = bare(text)
    for pattern in _DATES:
        match = pattern.fullmatch(folded)
        if match is not None:
            month = match["month"]
            number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
            try:
                return date(int(match["year"]), number, int(match["day"]))
            except ValueError:
                return None
    return None


_WANTED = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "date": "a date written YYYY-MM-DD",
    "strings": "a list of texts",
    "objects": "a list of objects",
}
FIELD_TYPES = tuple(_WANTED)


def _same_text(spec: FieldSpec, expected: str, answered: Any) -> bool:
    if isinstance(answered, bool) or not isinstance(answered, str | int | float):
        return False
    return bare(expected) == bare(str(answered))


def _same_number(spec: FieldSpec, expected: float, answered: Any) -> bool:
    if isinstance(answered, str):
        answered = read_only_number(answered)
    if isinstance(answered, bool) or not isinstance(answered, int | float):
        return False
    return is_close(answered, expected, spec["tolerance"])


def _same_truth(spec: FieldSpec, expected: bool, answered: Any) -> bool:
    if isinstance(answered, str):
        answered = {"true": True, "yes": True, "false": False, "no": False}.get(bare(answered))
    return answered is expected


def _same_day(spec: FieldSpec, expected: str, answered: Any) -> bool:
    return isinstance(answered, str) and read_date(answered) == read_date(expected)


_SAME: Mapping[str, Callable[[FieldSpec, Any, Any], bool]] = {
    "string": _same_text,
    "number": _same_number,
    "integer": _same_number,
    "boolean": _same_truth,
    "date": _same_day,
}


def _as_list(value: Any) -> list[Any]:
    if is_absent(value):
        return []
    return value if isinstance(value, list) else [value]


def _compare_lists(spec: FieldSpec, expected: Sequence[Any], answered: Sequence[Any]) -> Match:
    if spec["type"] == "strings":
        wanted = Counter(bare(one) for one in expected)
        given = Counter(bare(one) if isinstance(one, str) else repr(one) for one in answered)
        right = float((wanted & given).total())
    else:
        right = _best_pairing(spec["fields"], expected[:_MOST_PAIRED], answered[:_MOST_PAIRED])
    return Match(float(len(expected)), float(len(answered)), right)


def _best_pairing(fields: Mapping[str, FieldSpec], expected: Sequence[Any], answered: Sequence[Any]) -> float:
    """The most that any one-to-one pairing of the two lists gets right, a pair counting the mean of its fields."""
    likeness = [[_likeness(fields, one, other) for other in answered] for one in expected]
    if not likeness or not likeness[0]:
        return 0.0
    if len(likeness) == 1 or len(likeness[0]) == 1:
        return max(max(row) for row in likeness)
    if len(expected) == len(answered) and all(likeness[place][place] == 1.0 for place in range(len(expected))):
        return float(len(expected))
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(likeness, maximize=True)
    return float(sum(likeness[row][column] for row, column in zip(rows, columns, strict=True)))


def _likeness(fields: Mapping[str, FieldSpec], expected: Mapping[str, Any], answered: Any) -> float:
    if not isinstance(answered, dict):
        return 0.0
    matches = [compare(spec, expected.get(name), answered.get(name)) for name, spec in fields.items()]
    return sum(match.f1 for match in matches) / len(matches)
