"""The `number` scorer, and reading numbers out of prose.

The answer is the last `\\boxed{…}`, else what follows the last `Answer:` (or `answer is`, `####`), else the last number
in the text. Worked example: in "Answer: 3 boxes x 4 = 12 (not 14)." the sentence after the marker, up to the bracket,
has a `=`, so the number after the last one is taken: 12.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from seatrial.workload.scorers.settings import Setting, choice, not_negative, show
from seatrial.workload.specification import Score

NUMBER_SETTINGS = {
    "tolerance": Setting(not_negative, 1e-6),
    "relative_tolerance": Setting(not_negative, 0.0),
    "decimal": Setting(choice(".", ","), "."),
}
_MARKER = re.compile(r"\banswer\b[*_\s]*(?:is\b|was\b|[:=])|####", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|[\n(]")
_LATEX = (
    (re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}"), r"\1/\2"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?=[$%])|\\[,!;]"), ""),
)
_LONGEST_NUMBER = 330
_MARKERS_TRIED = 20


class Found(NamedTuple):
    """A number and where its text ends."""

    value: int | float
    end: int


def number(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """1 where the number that the answer gives is within the tolerance of the expected one. `parsed` is that number."""
    given = read_answer(text, settings["decimal"])
    if given is None:
        return Score(0.0, None, "has no number" if text.strip() else "empty answer")
    wanted = _wanted(settings, expected)
    right = is_close(given, wanted, settings["tolerance"], settings["relative_tolerance"])
    shown = number_text(given)
    return Score(float(right), given, f"gives {shown}" if right else f"gives {shown}, not {number_text(wanted)}")


def check_number(settings: Mapping[str, Any], expected: Any) -> Any:
    """A number, or a text that gives one. A text stays as it is, because examples show it as an answer.

    Raises:
        ValueError: there is no number in it.
    """
    _wanted(settings, expected)
    return expected


def is_close(given: int | float, wanted: int | float, tolerance: float, relative_tolerance: float = 0.0) -> bool:
    """Whether two numbers differ by at most the wider of the two tolerances."""
    return abs(given - wanted) <= max(tolerance, relative_tolerance * abs(wanted))


def number_text(value: int | float) -> str:
    """A number as a person would write it: 12, 12.5."""
    return str(int(value)) if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15) else repr(value)


def read_answer(text: str, decimal: str = ".") -> int | float | None:
    """The number that a text gives as its answer, None where it gives none."""
    plain = text.replace("\u2212", "-")
    for pattern, replacement in _LATEX:
        plain = pattern.sub(replacement, plain)
    boxed = _last_boxed(plain)
    given = _stated(boxed, decimal) if boxed is not None else None
    if given is None:
        given = _after_marker(plain, decimal)
    if given is None:
        given = _last(numbers(plain, decimal))
    return given


def read_only_number(text: str, decimal: str = ".") -> int | float | None:
    """The number of a text that has exactly one, such as "$1,200.00"; None otherwise."""
    found = list(numbers(text.replace("\u2212", "-"), decimal))
    return found[0].value if len(found) == 1 else None


def numbers(text: str, decimal: str = ".") -> Iterator[Found]:
    """Every number in a text, in order. See the pattern below for what counts as one."""
    for match in _pattern(decimal).finditer(text):
        value = _value(match, decimal)
        if value is not None:
            yield Found(-value if match["minus"] or match["late_minus"] else value, match.end())


@lru_cache(maxsize=2)
def _pattern(decimal: str) -> re.Pattern[str]:
    point, comma = (r"\.", ",") if decimal == "." else (",", r"\.")
    group = rf"[{comma}'\u2019\u00a0\u2009\u202f]"
    return re.compile(
        rf"""
        (?<![\w.])(?:(?P<minus>[-–])|\+)?              # a sign that stands at the front, not between two numbers
        (?:(?:US)?[$€£¥₹][ ]?(?P<late_minus>-)?)?      # a currency sign; $-5 is as good as -$5
        (?:
            (?:(?P<whole>\d{{1,9}})[ ])?(?<!/)(?P<top>\d{{1,9}})[ ]?/[ ]?(?P<bottom>\d{{1,9}})(?![\d/])
          | (?P<plain>
                (?: \d{{1,3}}(?:{group}\d{{3}})+(?!\d) | \d{{1,2}}(?:{comma}\d{{2}})+{comma}\d{{3}}(?!\d) | \d+ )
                (?:{point}\d+)?
              | {point}\d+
            )
            (?P<power>e[-+]?\d{{1,4}}(?![\d]))?
        )
        """,
        re.VERBOSE | re.IGNORECASE | re.ASCII,
    )


def _wanted(settings: Mapping[str, Any], expected: Any) -> int | float:
    if isinstance(expected, str):
        read = read_answer(expected, settings["decimal"])
        if read is None:
            raise ValueError(f"{show(expected)} has no number in it")
        return read
    if isinstance(expected, bool) or not isinstance(expected, int | float) or not math.isfinite(expected):
        raise ValueError(f"must be a number, or a text with one in it, is {show(expected)}")
    return expected


def _value(match: re.Match[str], decimal: str) -> int | float | None:
    if match["top"]:
        bottom = int(match["bottom"])
        return int(match["whole"] or 0) + int(match["top"]) / bottom if bottom else None
    digits = re.sub(rf"[^\d{decimal}]", "", match["plain"]).replace(decimal, ".")
    if len(digits) > _LONGEST_NUMBER:
        return None
    if not match["power"] and "." not in digits and len(digits) <= 18:
        return int(digits)
    value = float(digits + (match["power"] or ""))
    return value if math.isfinite(value) else None


def _last_boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    start += len("\\boxed{")
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return text[start:]


def _after_marker(text: str, decimal: str) -> int | float | None:
    for marker in reversed(list(_MARKER.finditer(text))[-_MARKERS_TRIED:]):
        stated = _stated(text[marker.end() :].lstrip(" \t\n*_:("), decimal)
        if stated is not None:
            return stated
    return None


def _stated(statement: str, decimal: str) -> int | float | None:
    """The number that a statement begins with, or that its sum comes to; it must stand on the first line."""
    line = statement.split("\n", 1)[0]
    first = next(numbers(line, decimal), None)
    if first is None:
        return None
    end = _SENTENCE_END.search(line, first.end)
    sentence = line[: end.start()] if end else line
    total = next(numbers(sentence[sentence.rfind("=") :], decimal), None) if "=" in sentence else None
    return first.value if total is None else total.value


def _last(found: Iterator[Found]) -> int | float | None:
    value = None
    for one in found:
        value = one.value
    return value
