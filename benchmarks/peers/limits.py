"""What a row could reach at most on this machine.

The limit of prefill is the machine's fastest multiplication over the operations that the prompt takes; that of
decoding is the lower of two: memory read over the bytes that a step must read, and multiplication over its operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cases import OURS, Case, Row
from products import Product


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured, and how. `load` averages are those before the run.

    `read_bytes_per_s` and `operations_per_s` (by kind of instruction) are the most that was found before, between and
    after the models.
    """

    hardware: str
    date: str
    command: str
    platform: str
    cpu: str
    threads: int
    load: Sequence[float]
    read_bytes_per_s: float
    operations_per_s: dict[str, float]

    @property
    def fastest(self) -> tuple[str, float] | None:
        """The kind of multiplication that does most, and what it does; None where none was measured."""
        return max(self.operations_per_s.items(), key=lambda item: item[1], default=None)


class Limit(NamedTuple):
    """Tokens a second at most, what sets them, and how much of that there is (bytes or operations a second)."""

    rate: float
    bound: str
    available: float

    def share_of(self, product: Product) -> float:
        """What part of what is available a product reaches by itself."""
        reached = product.bytes_per_s if self.bound == "memory" else product.operations_per_s
        return reached / self.available


def limit_of(case: Case, row: Row, machine: Machine, name: str = OURS) -> Limit | None:
    """The limit of a prefill or decode row for one of our engines; None where it is not known."""
    costs, fastest, found = case.facts[name]["costs"], machine.fastest, []
    if fastest is not None:
        kind, most = fastest
        num_tokens = row.args["num_tokens"] if row.call == "prefill" else 1
        found.append(Limit(num_tokens * most / costs["prompts"][str(num_tokens)], kind, most))
    if row.call == "decode":
        batch = row.args["batch"]
        read = machine.read_bytes_per_s / costs["steps"][str(batch)] * batch
        found.append(Limit(read, "memory", machine.read_bytes_per_s))
    return min(found, default=None)
