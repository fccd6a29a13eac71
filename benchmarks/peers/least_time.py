"""How long a model's arithmetic takes at least: products at the fastest multiplication, attention in floats.

In: a configuration, how many tokens each answer computed and saw, operations a second by kind of instruction. Out:
operations and seconds. Nothing else that an engine does is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from seatrial.engine.pass_costs import prefill_operations
from seatrial.models.config import ModelConfig


class Work(NamedTuple):
    """Operations; a multiplication and an addition are two."""

    products: float
    attention: float

    def seconds(self, rates: Mapping[str, float]) -> float | None:
        """The least time by `rates`, operations a second; None where none were measured."""
        floats = [rate for kind, rate in rates.items() if not kind.startswith("int8")]
        return self.products / max(rates.values()) + self.attention / max(floats) if floats else None


def work_of(config: ModelConfig, start: int, end: int, num_scored: int) -> Work:
    """The tokens from position `start` up to `end` of one sequence, with the scores of `num_scored` of them.

    Example: from 2 to 5 there are 3 tokens, which see 3 + 4 + 5 = 12 positions.
    """
    pair = 4 * config.num_layers * config.num_heads * config.head_dim
    one, two = (prefill_operations(config, count) for count in (1, 2))
    layers = two - one - 2 * pair
    seen = end * (end + 1) // 2 - start * (start + 1) // 2
    return Work(layers * (end - start) + (one - layers - pair) * num_scored, pair * seen)
