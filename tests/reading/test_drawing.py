"""Drawn receipts: the same from the same seed, readable in one way only, and no use to who cannot see."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest


@pytest.fixture(params=["reader", "small-reader"])
def layout(request: pytest.FixtureRequest):
    from reader.recipe import READER, SMALL

    return {recipe.name: recipe.layout for recipe in (READER, SMALL)}[request.param]


def test_a_seed_is_a_picture(layout) -> None:
    from reader.drawing import draw_receipt

    one, again, other = (draw_receipt(seed, layout) for seed in (3, 3, 4))
    assert one.total == again.total
    assert np.array_equal(one.picture, again.picture)
    assert one.picture.size != other.picture.size or not np.array_equal(one.picture, other.picture)


def test_the_total_stands_behind_its_word_and_no_tile_holds_all_of_it(layout) -> None:
    from reader.drawing import TOTAL, typeset_receipt

    for seed in range(200):
        total, glyphs = typeset_receipt(seed, layout)
        rows = Counter(round(glyph.y, 3) for glyph in glyphs)
        texts = {y: "".join(glyph.character for glyph in glyphs if round(glyph.y, 3) == y) for y in rows}
        (y,) = [y for y, text in texts.items() if text.startswith(TOTAL)]
        assert texts[y] == f"{TOTAL}{total}"
        digits = [glyph for glyph in glyphs if round(glyph.y, 3) == y][len(TOTAL) :]
        assert len({int(glyph.x // layout.tile) for glyph in digits}) == 2


def test_nothing_is_printed_across_a_fold(layout) -> None:
    from reader.drawing import typeset_receipt

    for seed in range(200):
        for glyph in typeset_receipt(seed, layout)[1]:
            assert 0 <= glyph.x < layout.width
            assert 0 <= glyph.y < layout.height
            assert min(glyph.x % layout.tile, -glyph.x % layout.tile) >= 3.9


def test_no_total_is_frequent(layout) -> None:
    from reader.drawing import typeset_receipt

    totals = Counter(typeset_receipt(seed, layout)[0] for seed in range(1000))
    assert set(totals) <= set(range(100, 1000))
    assert max(totals.values()) <= 10


def test_marks_lie_where_the_ink_is(layout) -> None:
    """Every place that is marked is darker than its tile's paper, through the real preprocessing."""
    from reader.preparing import prepare

    receipts = prepare(layout, 16, range(20))
    per_side = layout.tile // 16
    dark = receipts.tiles.min(axis=2)
    cells = dark.reshape(*dark.shape[:2], per_side, 16, per_side, 2, 8).min(axis=(3, 6))
    paper = np.percentile(dark, 95, axis=(2, 3))
    printed = receipts.marks.reshape(cells.shape) > 0
    contrast = paper[:, :, None, None, None] - cells.astype(float)
    assert (contrast[printed] > 40).mean() > 0.98
    assert not printed[:, -1].any()
