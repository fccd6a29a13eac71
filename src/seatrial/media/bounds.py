"""How much is decoded at most, known before anything is. In: sizes and bytes. Out: bounds, and what goes beyond."""

from __future__ import annotations

MOST_PIXELS = 1 << 26
"""Pixels of a picture: a photograph of 9,248 × 6,936 passes, 256 MiB as Pillow holds it."""

MOST_FRAME_PIXELS = 1 << 25
"""Pixels that a video's frame may have: one of 7,680 × 4,320 passes. A decoder may hold twenty of them."""

MOST_SCANS = 32
"""Scans of the largest JPEG. Each of a progressive one passes over all its pixels; usual are about ten."""


def num_scans_too_many(data: bytes, num_pixels: int, *, most_pixels: int) -> int:
    """The scans of a JPEG that would take minutes to decode; 0 for one that would not. Smaller ones may have more.

    `data` is the whole file, `most_pixels` those of the largest picture that is decoded.
    """
    scans = data.count(b"\xff\xda")
    return scans if scans > MOST_SCANS and scans * num_pixels > MOST_SCANS * most_pixels else 0
