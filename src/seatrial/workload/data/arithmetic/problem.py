"""What a word problem is, how its numbers are written, and the dice that its quantities are drawn with."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import NamedTuple, TypeVar

Thing = TypeVar("Thing")

_NAMES = (
    "Agnes", "Amir", "Anouk", "Bao", "Beatriz", "Bram", "Callum", "Chidi", "Dalia", "Darius", "Elif", "Emeka",
    "Farah", "Fergus", "Freya", "Gita", "Goran", "Hana", "Idris", "Ingrid", "Ioana", "Jamal", "Joost", "Kaia", "Kofi",
    "Lena", "Linh", "Luca", "Maeve", "Mateo", "Mina", "Nadia", "Niels", "Odile", "Omar", "Petra", "Priya", "Quentin",
    "Ragna", "Rosa", "Samira", "Selma", "Soren", "Tamsin", "Teo", "Uma", "Viktor", "Wanjiru", "Xiomara", "Yusuf",
    "Zofia",
)  # fmt: skip


class Problem(NamedTuple):
    """A story that ends in a question, the two steps that lead to the answer, and the answer."""

    text: str
    steps: tuple[str, str]
    answer: int | Decimal


class Dice:
    """Draws that come out the same on every platform and Python version: `random()` alone is promised to."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.name = self.other = ""

    def meet(self) -> None:
        """New people for a new story: `name` and `other`."""
        self.name = self.pick(*_NAMES)
        self.other = self.pick(*(name for name in _NAMES if name[0] != self.name[0]))

    def whole(self, least: int, most: int, step: int = 1) -> int:
        """A whole number from `least` to `most`, both included, in steps."""
        return least + step * int(self._random.random() * ((most - least) // step + 1))

    def tenths(self, least: int, most: int) -> Decimal:
        """A number of tenths, from `least` to `most` of them."""
        return Decimal(self.whole(least, most)) / 10

    def price(self, least: int, most: int) -> Decimal:
        """A price in dollars, from `least` to `most` cents in steps of five."""
        return Decimal(self.whole(least, most, 5)).scaleb(-2)

    def pick(self, *things: Thing) -> Thing:
        """One of the things."""
        return things[int(self._random.random() * len(things))]


def some(number: int, thing: str, things: str | None = None) -> str:
    """`1 egg`, `12 eggs`."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def plain(number: int | Decimal) -> str:
    """A number without needless zeros."""
    return str(number) if isinstance(number, int) else f"{number.normalize():f}"


def dollars(amount: int | Decimal) -> str:
    """An amount of money: `$12` or `$12.50`."""
    return f"${amount}" if isinstance(amount, int) else f"${amount:.2f}"


def rounded_up(total: int, each: int, things: str) -> str:
    """The step of a division whose last part counts whole: `95 / 28 = 3.39, so 4 coaches.`"""
    whole, rest = divmod(total, each)
    if rest == 0:
        return f"{total} / {each} = {whole} {things}."
    return f"{total} / {each} = {total / each:.2f}, so {whole + 1} {things}."
