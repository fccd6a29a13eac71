"""The `anls` scorer: how near is the answer to an accepted text, letter by letter?

Average Normalised Levenshtein Similarity (Biten et al. 2019, "Scene Text Visual Question Answering", section 4.1; the
measure of DocVQA). An answer scores 1 - d, where d is its edit distance to an accepted text over the longer one's
length, and 0 where d reaches the threshold; of several accepted texts the nearest counts. Worked example: "recipt" is
one insertion away from "receipt", of 7 letters: 1 - 1/7 = 0.857. "bill" is six edits away: 1 - 6/7 < 0.5, so 0.

As in the published measure, case and runs of blank space make no difference, and everything else does. Unlike there,
texts are also compared in Unicode NFKC form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seatrial.workload.scorers.forms import fold
from seatrial.workload.scorers.settings import Setting, boolean, show
from seatrial.workload.scorers.text import accepted_texts, check_texts
from seatrial.workload.specification import Score

LONGEST_EXPECTED = 4_000


def read_threshold(value: Any) -> float:
    """A share of the length, above 0 and at most 1.

    Raises:
        ValueError: it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 < value <= 1:
        raise ValueError(f"must be a number above 0 and at most 1, is {show(value)}")
    return float(value)


ANLS_SETTINGS = {"threshold": Setting(read_threshold, 0.5), "ignore_case": Setting(boolean, True)}


def anls(settings: Mapping[str, Any], expected: Any, text: str) -> Score:
    """The similarity to the nearest accepted text. `parsed` is the answer as it was compared."""
    answer = fold(text, ignore_case=settings["ignore_case"])
    if not answer:
        return Score(0.0, None, "empty answer")
    accepted = accepted_texts(expected)
    folded = [fold(one, ignore_case=settings["ignore_case"]) for one in accepted]
    values = [similarity(answer, one, settings["threshold"]) for one in folded]
    best = max(range(len(values)), key=values.__getitem__)
    if values[best] >= 1.0:
        return Score(1.0, answer, "equal")
    if values[best] > 0.0:
        return Score(values[best], answer, f"near {show(accepted[best])}")
    return Score(0.0, answer, f"too far from {show(accepted[0])}")


def check_expected(settings: Mapping[str, Any], expected: Any) -> Any:
    """A text, a number, or a list of them, none empty or longer than the measure is meant for.

    Raises:
        ValueError: it is anything else.
    """
    check_texts({}, expected)
    if any(len(one) > LONGEST_EXPECTED for one in accepted_texts(expected)):
        raise ValueError(f"is longer than {LONGEST_EXPECTED:,} characters, the limit of this scorer")
    return expected


def similarity(answer: str, accepted: str, threshold: float) -> float:
    """1 - edit distance / the longer length; 0 where that distance reaches `threshold`. Two empty texts are equal."""
    longer = max(len(answer), len(accepted))
    if answer == accepted:
        return 1.0
    if abs(len(answer) - len(accepted)) / longer >= threshold and threshold < 1:
        return 0.0
    distance = edit_distance(answer, accepted) / longer
    return 1.0 - distance if distance < threshold else 0.0


def edit_distance(first: str, second: str) -> int:
    """The least number of insertions, deletions and substitutions that turn one text into the other (Levenshtein 1966).

    A column of the table at a time, as bits of one integer (Hyyrö 2003, "A bit-vector algorithm for computing
    Levenshtein and Damerau edit distances", figure 3, after Myers 1999).
    """
    if not first:
        return len(second)
    at: dict[str, int] = {}
    for place, character in enumerate(first):
        at[character] = at.get(character, 0) | 1 << place
    all_rows, last_row = (1 << len(first)) - 1, 1 << (len(first) - 1)
    up, down, distance = all_rows, 0, len(first)  # rows where a column's value goes up, or down, by one
    for character in second:
        equal = at.get(character, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        rises, falls = down | (all_rows & ~(diagonal | up)), up & diagonal
        distance += bool(rises & last_row) - bool(falls & last_row)
        rises = (rises << 1) | 1
        up = (falls << 1 | ~(diagonal | rises)) & all_rows
        down = rises & diagonal & all_rows
    return distance
