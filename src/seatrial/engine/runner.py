"""The boundary between the step loop and whatever computes the model.

In: a `StepInput`, plain int32 arrays that say which tokens of which sequences go through the model. Out: one row of
scores, or of hidden states, for each token that was asked for. Two runners keep to it: `torch_runner` (any device,
the plain path) and `native_runner` (our CPU kernels, which need no PyTorch).

Shape suffixes: T tokens of the pass, S sequences, B blocks of the longest of them, R rows wanted, V vocabulary,
D hidden size, E tokens of pictures.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seatrial.models.config import ModelConfig
from seatrial.models.devices import Device

if TYPE_CHECKING:
    import torch

BLOCK_TOKENS = 16

Int32 = NDArray[np.int32]
Scores: TypeAlias = "NDArray[np.float32] | torch.Tensor"


class StepPictures(NamedTuple):
    """Rows that stand for pictures: token `places_E[i]` of the pass begins as `rows_ED[i]`, whatever its id.

    Places rise.
    """

    places_E: Int32
    rows_ED: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StepInput:
    """One pass. Tokens of a sequence stand side by side, in order of position.

    Sequence s has the tokens `starts_S1[s]` to `starts_S1[s + 1]` - 1 of the pass; position p of it lies in block
    `tables_SB[s, p // 16]`, slot p % 16. Example: a sequence of 20 tokens of which 18 are computed, and one of 5 of
    which 4 are, give tokens_T of 3, positions_T (18, 19, 4), starts_S1 (0, 2, 3), tables_SB ((7, 2), (5, 0)).
    """

    tokens_T: Int32
    positions_T: Int32
    starts_S1: Int32
    tables_SB: Int32
    rows_R: Int32
    pictures: StepPictures | None = None


class Runner(Protocol):
    """Computes a model over a paged KV cache."""

    config: ModelConfig
    device: Device

    @property
    def cheap_tokens(self) -> int:
        """How many tokens a pass computes in about the time of one: what reading the weights leaves idle."""
        ...

    @property
    def block_bytes(self) -> int:
        """Memory of one block of 16 positions over all layers, bytes."""
        ...

    def allocate(self, num_blocks: int) -> None:
        """Take memory for the cache, once. Raises NotRunnable where it cannot be had."""
        ...

    def forward(self, step: StepInput) -> Scores:
        """Store the new keys and values, return scores [R, V]: float32, or a tensor on `device`.

        The result is valid until the next call.
        """
        ...

    def hidden(self, step: StepInput) -> NDArray[np.float32]:
        """As `forward`, but return hidden states [R, D] after the last norm, in the computer's own memory.

        The result is valid until the next call of either.
        """
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


def whole_prompt(tokens: Sequence[int], tables: Sequence[int]) -> StepInput:
    """The pass that computes one sequence from its first token, scores of every token wanted."""
    count = len(tokens)
    return StepInput(
        tokens_T=np.asarray(tokens, np.int32),
        positions_T=np.arange(count, dtype=np.int32),
        starts_S1=np.array([0, count], np.int32),
        tables_SB=np.asarray([tables], np.int32),
        rows_R=np.arange(count, dtype=np.int32),
    )
