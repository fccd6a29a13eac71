"""JPEGs that would take minutes to decode are told from those that would not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from seatrial.media.bounds import MOST_PIXELS, MOST_SCANS, num_scans_too_many

SCAN = b"\xff\xda"


def saved(progressive: bool) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", progressive=progressive)
    return file.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
def test_what_cameras_and_programs_save_is_not_too_many(progressive: bool) -> None:
    assert num_scans_too_many(saved(progressive), MOST_PIXELS, most_pixels=MOST_PIXELS) == 0


@pytest.mark.parametrize(
    ("num_scans", "num_pixels", "too_many"),
    [
        (MOST_SCANS, MOST_PIXELS, 0),
        (MOST_SCANS + 1, MOST_PIXELS, MOST_SCANS + 1),
        (2 * MOST_SCANS, MOST_PIXELS // 2, 0),
        (2 * MOST_SCANS + 1, MOST_PIXELS // 2, 2 * MOST_SCANS + 1),
        (10_000, 64 * 48, 0),
    ],
)
def test_a_smaller_picture_may_have_more(num_scans: int, num_pixels: int, too_many: int) -> None:
    assert num_scans_too_many(SCAN * num_scans, num_pixels, most_pixels=MOST_PIXELS) == too_many


def test_the_bound_is_that_of_the_largest_picture_taken() -> None:
    assert num_scans_too_many(SCAN * 40, 1000, most_pixels=1000) == 40
    assert num_scans_too_many(SCAN * 40, 500, most_pixels=1000) == 0
