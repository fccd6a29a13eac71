"""Receipts as the encoder gets them, with what is to be learnt from them.

In: a layout and seeds. Out: `Receipts`: tiles through Seatrial's own preprocessing, totals, and the character that each
place of each tile shows.

Shapes: P pictures, N tiles of a picture (the whole view last), C channels, E edge of a tile, K cells of a tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.models.pictures import TilePlan, plan_tiles
from seatrial.models.pictures.tiles import tile_pixels
from seatrial.models.vision_config import PictureRules, VideoRules

from .drawing import TOTAL, Glyph, Layout, draw_receipt, typeset_receipt

# What the encoder is told of a place: nothing (class 0), a digit, a letter of the word to be found, another letter.
_NAMED = "0123456789" + "".join(sorted(set(TOTAL)))
NUM_CLASSES = 2 + len(_NAMED)


class Receipts(NamedTuple):
    """`tiles` [P, N, C, E, E]; `marks` [P, N, K, 2], the class of each half of each cell; `totals` [P]."""

    tiles: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    totals: NDArray[np.int64]


def rules_of(layout: Layout) -> PictureRules:
    """Preprocessing under which a point of the layout is a pixel of a tile."""
    half = (0.5, 0.5, 0.5)
    video = VideoRules(fps=1.0, max_frames=8, longest_edge=layout.tile)
    longest = max(layout.width, layout.height)
    return PictureRules(longest_edge=longest, tile_edge=layout.tile, splits=True, mean=half, std=half, video=video)


def plan_of(layout: Layout) -> TilePlan:
    """Every receipt of a layout is cut the same way."""
    plan = plan_tiles(layout.width, layout.height, rules_of(layout), "auto")
    assert (plan.rows, plan.columns) == (layout.rows, layout.columns), plan
    return plan


def prepare(layout: Layout, cell: int, seeds: Iterable[int]) -> Receipts:
    """Draw and cut. `cell` is the edge of what one token stands for, in points."""
    rules, plan = rules_of(layout), plan_of(layout)
    tiles, marks, totals = [], [], []
    for seed in seeds:
        receipt = draw_receipt(seed, layout)
        assert plan_tiles(*receipt.picture.size, rules, "auto") == plan
        tiles.append(tile_pixels(receipt.picture, plan, rules).transpose(0, 3, 1, 2))
        marks.append(_marks(receipt.glyphs, layout, cell))
        totals.append(receipt.total)
    return Receipts(np.stack(tiles), np.stack(marks), np.array(totals))


class Typeset(NamedTuple):
    """Receipts that were not drawn: `marks` and `totals` as those of `Receipts`."""

    marks: NDArray[np.uint8]
    totals: NDArray[np.int64]


def typeset(layout: Layout, cell: int, seeds: Iterable[int]) -> Typeset:
    """What `prepare` would give, without pictures: a hundred times as fast."""
    sheets = [typeset_receipt(seed, layout) for seed in seeds]
    marks = np.stack([_marks(glyphs, layout, cell) for _, glyphs in sheets])
    return Typeset(marks, np.array([total for total, _ in sheets]))


def _class_of(character: str) -> int:
    return 1 + _NAMED.index(character) if character in _NAMED else NUM_CLASSES - 1


def _marks(glyphs: Sequence[Glyph], layout: Layout, cell: int) -> NDArray[np.uint8]:
    """Which character has its centre in which half of which cell; the whole view shows none.

    Example: cells of 16 points, tiles of 48. A glyph at x = 100, y = 20 lies in tile column 2, 4 points into it: the
    left half of the first cell of the second row.
    """
    per_side = layout.tile // cell
    marks = np.zeros((layout.rows, layout.columns, per_side, per_side, 2), dtype=np.uint8)
    for glyph in glyphs:
        row, column = int(glyph.y) // layout.tile, int(glyph.x) // layout.tile
        y, x = glyph.y - row * layout.tile, glyph.x - column * layout.tile
        half = int(x % cell >= cell / 2)
        marks[row, column, int(y // cell), int(x // cell), half] = _class_of(glyph.character)
    split = marks.reshape(layout.rows * layout.columns, per_side**2, 2)
    return np.concatenate([split, np.zeros_like(split[:1])])
