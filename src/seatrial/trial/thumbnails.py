"""Small versions of pictures, for people to look at beside an item: WebP, within a bound on bytes whatever is drawn.

A picture's or video's file comes in, with the SHA-256 of what was asked about; its size and its versions go out, or an
`InputError` for what cannot be shown. A picture is opened as the models see it, turned upright and on white, so that a
reader judges answers by the same sight. Pillow is loaded with the first picture.
"""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seatrial.errors import InputError
from seatrial.workload.media import check_unchanged, read_unchanged

if TYPE_CHECKING:
    from PIL.Image import Image

SMALL_BYTES = 12_000
"""What a document carries of one picture."""

LARGER_BYTES = 160_000
"""What a run folder keeps of it besides, where the picture is larger than its small version."""

SMALL_EDGES = (640, 512, 416, 336, 256, 192, 128, 96, 64)
"""Longest edges that are tried, in pixels: the largest that fits is taken."""

LARGER_EDGES = (1600, 1280, 1024, 800, 640, 512)
_QUALITIES = (74, 42)
_HOPE = 1.3


class Version(NamedTuple):
    """A WebP picture, and its size in pixels."""

    data: bytes
    width: int
    height: int


class Versions(NamedTuple):
    """The size of the original in pixels, and what is made of it. `larger` None: it would show no more."""

    width: int
    height: int
    small: Version
    larger: Version | None


def make_versions(path: Path, sha256: str, *, is_video: bool = False) -> Versions:
    """The versions of a picture, or of a frame from the middle of a video.

    Raises:
        WorkloadError: the file is missing, or holds something else than it did.
        InputError: what is no picture, too large or damaged.
    """
    picture = _frame(path, sha256) if is_video else _picture(path, sha256)
    small = _fitting(picture, SMALL_EDGES, SMALL_BYTES)
    if small is None:
        raise InputError(f"No version of it is small enough to be shown ({SMALL_BYTES:,} bytes).", path=path)
    is_all = (small.width, small.height) == picture.size
    larger = None if is_all else _fitting(picture, LARGER_EDGES, LARGER_BYTES)
    shows_more = larger is not None and max(larger.width, larger.height) > max(small.width, small.height)
    return Versions(*picture.size, small, larger if shows_more else None)


def _picture(path: Path, sha256: str) -> Image:
    from seatrial.models.pictures import open_picture

    return open_picture(read_unchanged(path, sha256))


def _frame(path: Path, sha256: str) -> Image:
    """The frame in the middle of three that are spread over the video."""
    from seatrial.models.pictures import sample_video
    from seatrial.models.vision_config import VideoRules

    check_unchanged(path, sha256)
    frames = sample_video(path, VideoRules(fps=1.0, max_frames=3, longest_edge=SMALL_EDGES[0])).frames
    return frames[len(frames) // 2].picture


def _fitting(picture: Image, edges: tuple[int, ...], most_bytes: int) -> Version | None:
    """The largest version within a number of bytes; never larger than the picture itself.

    What is far too many bytes at one size is not tried at sizes that could not do either: bytes grow with the area.
    """
    longest = max(picture.size)
    likely = float(longest)
    for edge in dict.fromkeys(min(edge, longest) for edge in edges):
        if edge > likely and edge != edges[-1]:
            continue
        scaled = _scaled(picture, edge)
        for quality in _QUALITIES:
            data = _encoded(scaled, quality)
            if len(data) <= most_bytes:
                return Version(data, *scaled.size)
        likely = _HOPE * edge * math.sqrt(most_bytes / len(data))
    return None


def _scaled(picture: Image, edge: int) -> Image:
    from PIL.Image import Resampling

    longest = max(picture.size)
    if longest <= edge:
        return picture
    width, height = (max(1, round(length * edge / longest)) for length in picture.size)
    return picture.resize((width, height), Resampling.LANCZOS, reducing_gap=3.0)


def _encoded(picture: Image, quality: int) -> bytes:
    file = BytesIO()
    picture.save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()
