"""The small reader, trained once and kept, and receipts that it has never seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).resolve().parents[1]
for folder in ("tiny", "end_to_end"):
    if str(TESTS / folder) not in sys.path:
        sys.path.insert(0, str(TESTS / folder))

NUM_UNSEEN = 60


class Unseen(NamedTuple):
    """Files of receipts, and the total on each."""

    paths: list[Path]
    totals: list[int]


@pytest.fixture(scope="session")
def small_reader() -> Path:
    """Its checkpoint's folder. Training takes about a minute on two quiet cores, once per version of its script."""
    from reader.keeping import kept_reader
    from reader.recipe import SMALL

    return kept_reader(SMALL)


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Unseen:
    """Receipts of seeds beyond those that readers are trained and checked on, for the small reader."""
    from reader.recipe import SMALL

    return _drawn(SMALL.layout, NUM_UNSEEN, tmp_path_factory.mktemp("unseen"))


def _drawn(layout: object, count: int, folder: Path) -> Unseen:
    from reader.drawing import draw_receipt
    from reader.recipe import UNSEEN

    receipts = [draw_receipt(2 * UNSEEN + place, layout) for place in range(count)]
    paths = [folder / f"receipt-{place:03}.png" for place in range(count)]
    for path, receipt in zip(paths, receipts, strict=True):
        receipt.picture.save(path)
    return Unseen(paths, [receipt.total for receipt in receipts])
