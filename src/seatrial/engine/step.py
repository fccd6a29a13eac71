"""What the scheduler picked for a pass, as the arrays that a runner takes."""

from __future__ import annotations

import numpy as np

from seatrial.engine.runner import StepInput
from seatrial.engine.scheduler import Chunk


def step_input(chunks: tuple[Chunk, ...]) -> StepInput:
    """The arrays of a pass over `chunks`. Scores are wanted of a chunk's last known token and of its drafts."""
    tokens: list[int] = []
    positions: list[int] = []
    starts: list[int] = [0]
    rows: list[int] = []
    longest = max(len(chunk.sequence.blocks) for chunk in chunks)
    tables_SB = np.zeros((len(chunks), longest), np.int32)
    for index, chunk in enumerate(chunks):
        sequence, end = chunk.sequence, chunk.start + chunk.length
        tokens += sequence.tokens[chunk.start : end - chunk.num_draft]
        tokens += guesses(chunk)
        positions += range(chunk.start, end)
        starts.append(len(tokens))
        tables_SB[index, : len(sequence.blocks)] = sequence.blocks
        if chunk.samples:
            rows += range(len(tokens) - chunk.num_draft - 1, len(tokens))
    return StepInput(
        tokens_T=np.array(tokens, np.int32),
        positions_T=np.array(positions, np.int32),
        starts_S1=np.array(starts, np.int32),
        tables_SB=tables_SB,
        rows_R=np.array(rows, np.int32),
    )


def guesses(chunk: Chunk) -> list[int]:
    """The draft tokens that a chunk computes."""
    return chunk.sequence.draft[: chunk.num_draft]
