"""What the scheduler picked for a pass, as the arrays that a runner takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seatrial.engine.picture_queue import PictureQueue
from seatrial.engine.picture_rows import FIRST_ROW
from seatrial.engine.runner import StepInput, StepPictures
from seatrial.engine.scheduler import Chunk


def step_input(chunks: tuple[Chunk, ...], pictures: PictureQueue | None = None) -> StepInput:
    """The arrays of a pass over `chunks`. Scores are wanted of a chunk's last known token and of its drafts.

    `pictures` knows the rows of ids above the vocabulary.
    """
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
    ids_T = np.array(tokens, np.int64)
    seen = None if pictures is None else _take_pictures(ids_T, pictures)
    return StepInput(
        tokens_T=ids_T.astype(np.int32),
        positions_T=np.array(positions, np.int32),
        starts_S1=np.array(starts, np.int32),
        tables_SB=tables_SB,
        rows_R=np.array(rows, np.int32),
        pictures=seen,
    )


def guesses(chunk: Chunk) -> list[int]:
    """The draft tokens that a chunk computes."""
    return chunk.sequence.draft[: chunk.num_draft]


def _take_pictures(ids_T: NDArray[np.int64], pictures: PictureQueue) -> StepPictures | None:
    """The rows of pictures among the ids, where the one id that stands for any picture remains."""
    places_E = np.flatnonzero(ids_T >= FIRST_ROW)
    if not places_E.size:
        return None
    rows_ED = pictures.rows.rows(ids_T[places_E])
    ids_T[places_E] = pictures.image_token_id
    return StepPictures(places_E.astype(np.int32), rows_ED)
