"""The scorers that compare texts: `exact` (the answer is an accepted text) and `contains` (it has the texts in it)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seatrial.workload.scorers.forms import fold
from seatrial.workload.scorers.number import number_text
from seatrial.workload.scorers.settings import Setting, boolean, choice, show
from seatrial.workload.specification import Score

EXACT_SETTINGS = {
    "ignore_case": Setting(boolean, True),
    "ignore_space": Setting(boolean, True),
    "ignore_punctuation": Setting(boolean, False),
}
CONTAINS_SETTINGS = {
    "mode": Setting(choice("all", "any"), "all"),
    "ignore_case": Setting(boolean, True),
    "whole_words": Setting(boolean, False),
}


def exact(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """1 where the whole answer, in the form the settings ask for, equals an accepted text."""
    answer = fold(text, **settings)
    if not answer:
        return Score(0.0, None, "empty answer")
    accepted = accepted_texts(expected)
    if answer in {fold(one, **settings) for one in accepted}:
        return Score(1.0, answer, "equal")
    return Score(0.0, answer, f"not equal to {show(accepted[0])}")


def contains(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """1 where all (or any) of the expected texts are in the answer. `parsed` lists those found."""
    haystack = fold(text, ignore_case=settings["ignore_case"])
    if not haystack:
        return Score(0.0, None, "empty answer")
    wanted = accepted_texts(expected)
    found = [one for one in wanted if _is_in(fold(one, ignore_case=settings["ignore_case"]), haystack, settings)]
    missing = [one for one in wanted if one not in found]
    enough = bool(found) if settings["mode"] == "any" else not missing
    return Score(float(enough), found, "found" if enough else "lacks " + ", ".join(show(one, 30) for one in missing))


def check_texts(settings: Mapping[str, Any], expected: Any) -> Any:
    """A text, a number, or a list of them, none empty.

    Raises:
        ValueError: it is anything else.
    """
    options = expected if isinstance(expected, list) else [expected]
    if not options:
        raise ValueError("is an empty list: list at least one text")
    for option in options:
        if isinstance(option, bool) or not isinstance(option, str | int | float):
            raise ValueError(f"must be a text, a number or a list of texts, is {show(option)}")
        if isinstance(option, str) and not fold(option, ignore_punctuation=settings.get("ignore_punctuation", False)):
            raise ValueError("must not be empty")
    return expected


def accepted_texts(expected: Any) -> list[str]:
    """The accepted answers as texts, the preferred one first."""
    options = expected if isinstance(expected, list) else [expected]
    return [option if isinstance(option, str) else number_text(option) for option in options]


def _is_in(needle: str, haystack: str, settings: Mapping[str, Any]) -> bool:
    if settings["whole_words"]:
        return re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", haystack) is not None
    return needle in haystack
