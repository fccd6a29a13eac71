"""Writes `items.jsonl` and `examples.jsonl` of the arithmetic workload, the same bytes every time.

    python -m seatrial.workload.data.arithmetic.generate            write both files
    python -m seatrial.workload.data.arithmetic.generate --check    say whether they are what it would write

A story is drawn again where its answer already stands in its text, or where its situation had that answer before.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from seatrial.workload.data.arithmetic.outings import OUTINGS
from seatrial.workload.data.arithmetic.problem import Dice, Problem, plain
from seatrial.workload.data.arithmetic.trades import TRADES
from seatrial.workload.scorers.number import numbers

SEED = 20_251
ITEMS_EACH = 5
SITUATIONS: dict[str, Callable[[Dice], Problem]] = {
    situation.__name__.replace("_", "-"): situation for situation in (*TRADES, *OUTINGS)
}
EXAMPLES_OF = (
    "bakery", "savings", "market", "museum", "kitchen", "railway", "lighthouse",
    "post-office", "birds", "orchard", "aquarium", "sale",
)  # fmt: skip


class Files(NamedTuple):
    """The text of the two files."""

    items: str
    examples: str


def generate(seed: int = SEED) -> Files:
    """The items, `ITEMS_EACH` for every situation and taking turns, and the worked examples."""
    dice, told = Dice(seed), set[tuple[str, float]]()
    examples = [_example(name, _draw(name, dice, told)) for name in EXAMPLES_OF]
    items = [
        _item(f"{name}-{turn + 1}", name, _draw(name, dice, told)) for turn in range(ITEMS_EACH) for name in SITUATIONS
    ]
    return Files(_lines(items), _lines(examples))


def main() -> int:
    """Write the files, or check them; 1 where the check fails."""
    parser = argparse.ArgumentParser(description="Write the arithmetic workload, or check it.")
    parser.add_argument("--check", action="store_true", help="compare the files with what would be written")
    check = parser.parse_args().check
    folder = Path(__file__).parent
    wrong = 0
    for name, text in zip(("items.jsonl", "examples.jsonl"), generate(), strict=True):
        file = folder / name
        if check:
            same = file.is_file() and file.read_bytes() == text.encode()
            wrong += not same
            print(f"{name}: {'as generated' if same else 'differs; run without --check to write it'}")
        else:
            partial = file.with_suffix(".part")
            partial.write_bytes(text.encode())
            os.replace(partial, file)
            print(f"{name}: {text.count(chr(10))} lines")
    return int(wrong > 0)


def _draw(name: str, dice: Dice, told: set[tuple[str, float]]) -> Problem:
    while True:
        dice.meet()
        problem = SITUATIONS[name](dice)
        given, answer = {found.value for found in numbers(problem.text)}, float(problem.answer)
        if answer > 0 and answer not in given and (name, answer) not in told:
            told.add((name, answer))
            return problem


def _item(item_id: str, situation: str, problem: Problem) -> dict[str, object]:
    return {
        "id": item_id,
        "situation": situation,
        "input": problem.text,
        "expected": _number(problem.answer),
        "steps": list(problem.steps),
    }


def _example(situation: str, problem: Problem) -> dict[str, object]:
    worked = f"{' '.join(problem.steps)}\nAnswer: {plain(problem.answer)}"
    return {"id": f"example-{situation}", "situation": situation, "input": problem.text, "expected": worked}


def _number(answer: int | Decimal) -> int | float:
    return int(answer) if answer == int(answer) else float(answer)


def _lines(records: list[dict[str, object]]) -> str:
    def written() -> Iterator[str]:
        for record in records:
            yield json.dumps(record, ensure_ascii=False) + "\n"

    return "".join(written())


if __name__ == "__main__":
    raise SystemExit(main())
