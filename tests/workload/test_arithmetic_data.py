"""The arithmetic workload: written by its script, and every answer worked out a second time from the story alone."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import seatrial.workload.data.arithmetic as arithmetic
from seatrial.workload.data.arithmetic.generate import ITEMS_EACH, SITUATIONS, generate
from seatrial.workload.data.arithmetic.problem import Dice, rounded_up, some
from seatrial.workload.loading import load_workload
from seatrial.workload.prompting import render, rendered_examples
from seatrial.workload.scorers import score

FOLDER = Path(arithmetic.__path__[0])
WORKED_OUT: dict[str, Callable[..., Fraction]] = {
    "bakery": lambda trays, each, sold: trays * each - sold,
    "kitchen": lambda *n: _kitchen(*n),
    "workshop": lambda board, pieces, each: board - pieces * each,
    "orchard": lambda baskets, each, bag: baskets * each / bag,
    "market": lambda *n: _market(*n),
    "print-shop": lambda copies, pages, speed: copies * pages / speed,
    "post-office": lambda box, amount, each: box + amount * each,
    "library": lambda shelf, readers, each: shelf + readers * each,
    "knitting": lambda amount, grams, ball: Fraction(math.ceil(amount * grams / ball)),
    "sale": lambda price, percent: price * (100 - percent) / 100,
    "mural": lambda width, height, window: width * height - window,
    "beehives": lambda hives, each, kept: hives * each - kept,
    "harbour": lambda low, hourly, hours: low + hourly * hours,
    "railway": lambda *n: n[0] * n[1] + n[2],
    "museum": lambda pupils, teachers, seats: Fraction(math.ceil((pupils + teachers) / seats)),
    "cinema": lambda friends, price, voucher: friends * price - voucher,
    "track": lambda laps, metres, mornings: laps * metres * mornings,
    "allotment": lambda raised, lost, beds: (raised - lost) / beds,
    "lighthouse": lambda seconds, minutes: minutes * 60 / seconds,
    "savings": lambda goal, saved, weekly: (goal - saved) / weekly,
    "band": lambda fee, costs, members: (fee - costs) / members,
    "aquarium": lambda inflow, leak, minutes: (inflow - leak) * minutes,
    "birds": lambda *counts: sum(counts) / Fraction(3),
    "picnic": lambda syrup, water, total: total / (syrup + water),
}


def _kitchen(servings: Fraction, grams: Fraction, guests: Fraction) -> Fraction:
    return grams / servings * guests


def _market(amount: Fraction, price: Fraction, note: Fraction) -> Fraction:
    return note - amount * price


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def numbers_in(text: str) -> list[Fraction]:
    return [Fraction(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


ITEMS, EXAMPLES = lines("items.jsonl"), lines("examples.jsonl")


def test_the_files_are_what_the_script_writes() -> None:
    made = generate()
    assert (FOLDER / "items.jsonl").read_bytes() == made.items.encode()
    assert (FOLDER / "examples.jsonl").read_bytes() == made.examples.encode()
    assert generate(seed=1) != made


def test_there_are_enough_and_they_are_spread_evenly() -> None:
    assert len(ITEMS) == 120
    assert Counter(item["situation"] for item in ITEMS) == dict.fromkeys(WORKED_OUT, ITEMS_EACH)
    assert set(SITUATIONS) == set(WORKED_OUT)
    assert len(EXAMPLES) >= 8
    assert len({item["situation"] for item in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item["id"]))
def test_every_answer_worked_out_from_the_story(item: dict[str, Any]) -> None:
    answer = Fraction(str(item["expected"]))
    given = numbers_in(item["input"])
    assert WORKED_OUT[item["situation"]](*given) == answer
    assert answer > 0
    assert answer not in given
    check_steps(item["steps"], answer)


def check_steps(steps: list[str], answer: Fraction) -> None:
    """Each step is a true equation, and the second ends in the answer."""
    result = Fraction(0)
    for step in steps:
        sum_, given = step.replace("$", "").split(" = ")
        tokens = sum_.split()
        result = Fraction(tokens[0])
        for sign, number in zip(tokens[1::2], tokens[2::2], strict=True):
            other = Fraction(number)
            result = {
                "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
            }[sign](result, other)  # fmt: skip
        stated = numbers_in(given)
        if len(stated) == 2:
            assert abs(stated[0] - result) <= Fraction(1, 200)
            assert stated[1] == math.ceil(result)
        else:
            assert stated[0] == result
        result = stated[-1]
    assert result == answer


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda item: str(item["id"]))
def test_worked_examples_end_in_their_answer(example: dict[str, Any]) -> None:
    worked, answer = example["expected"].split("\nAnswer: ")
    assert WORKED_OUT[example["situation"]](*numbers_in(example["input"])) == Fraction(answer)
    check_steps(re.findall(r".*?\S\.(?=\s|$)", worked), Fraction(answer))


def test_no_story_is_told_twice_and_most_answers_differ() -> None:
    stories = [item["input"] for item in (*ITEMS, *EXAMPLES)]
    assert len(set(stories)) == len(stories)
    assert Counter(item["expected"] for item in ITEMS).most_common(1)[0][1] <= 5
    decimals = sum(isinstance(item["expected"], float) for item in ITEMS)
    assert 10 <= decimals <= 40


def test_english_is_in_order() -> None:
    for item in (*ITEMS, *EXAMPLES):
        text = item["input"]
        assert text.endswith("?")
        assert not re.search(r"\b(a [aeiou]\w+|an [^aeiouh]\w+)\b", text.lower()), text
        assert not re.search(r"\b1 (?!part)\w+s\b", text), text
        assert "  " not in text
        assert text[0].isupper()


@pytest.mark.parametrize("seed", range(30))
def test_any_seed_gives_sound_stories(seed: int) -> None:
    dice = Dice(seed)
    for name, situation in SITUATIONS.items():
        dice.meet()
        problem = situation(dice)
        assert WORKED_OUT[name](*numbers_in(problem.text)) == Fraction(str(problem.answer))
        check_steps(list(problem.steps), Fraction(str(problem.answer)))


def test_small_words() -> None:
    assert (some(1, "lap"), some(2, "lap"), some(3, "copy", "copies")) == ("1 lap", "2 laps", "3 copies")
    assert rounded_up(95, 28, "coaches") == "95 / 28 = 3.39, so 4 coaches."
    assert rounded_up(96, 32, "coaches") == "96 / 32 = 3 coaches."


def test_the_workload_asks_and_scores() -> None:
    workload = load_workload("arithmetic")
    item = workload.items[0]
    request = render(workload, item)
    roles = [turn.role for turn in request.messages]
    assert roles == ["system", *["user", "assistant"] * workload.prompt.shots, "user"]
    assert all("\nAnswer: " in answer for _, answer in rendered_examples(workload))
    for one in workload.items:
        assert score(workload, one, f"First this, then 99.\nAnswer: {one.expected}").value == 1
        assert score(workload, one, f"Answer: {one.expected + 1}").value == 0
