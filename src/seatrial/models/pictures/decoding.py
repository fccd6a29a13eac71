"""How far decoding a video goes: a bound on its pixels, and a flag by which the caller ends it.

In: what every packet costs, before it is decoded. Out: nothing, or the error that ends the work.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NoReturn

from seatrial.errors import InputError

MOST_DECODED_PIXELS = 1 << 35
"""Pixels that are decoded for the frames of one video. About a minute of two cores.

A frame is decoded from the keyframe before it on. An hour of 1,920 × 1,080 at any rate, with a keyframe every 250
frames as x264 sets them: for the 64 frames that the published models look at, 33.2 of 34.4 thousand million at most.
So much has a minute of 3,840 × 2,160 at 60 frames per second too, or nine minutes of 1,920 × 1,080 at 30 with a single
keyframe, which are decoded whole.
"""

# A packet has to be found and handed on, whatever it shows: a million of the smallest are as much as may be.
_LEAST_PIXELS = 1 << 15


class Stopped(Exception):
    """The caller wants no more of what is being prepared."""


def go_on(stop: threading.Event | None) -> None:
    """Raises Stopped once `stop` is set."""
    if stop is not None and stop.is_set():
        raise Stopped


class Decoding:
    """What decoding the video at `path` has taken so far, in pixels, of `most_pixels`; ended by `stop`."""

    def __init__(self, path: Path, *, most_pixels: int = MOST_DECODED_PIXELS, stop: threading.Event | None) -> None:
        self._path, self._most_pixels, self._stop = path, most_pixels, stop
        self._num_pixels = 0

    def spend(self, num_pixels: int) -> None:
        """A packet of `num_pixels` is to be decoded. Raises Stopped, and InputError where that is too much."""
        go_on(self._stop)
        self._num_pixels += max(num_pixels, _LEAST_PIXELS)
        if self._num_pixels > self._most_pixels:
            self._refuse()

    def foresee(self, num_packets: float, num_pixels: int) -> None:
        """There is no way around `num_packets` of `num_pixels` each. Raises InputError where that will be too much."""
        if num_packets * max(num_pixels, _LEAST_PIXELS) > self._most_pixels:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise InputError(
            f"the frames looked at take more than the {self._most_pixels:,} pixels that are decoded of a video at "
            "most, because its keyframes are too far apart. Save it with a keyframe every few seconds, or with "
            "smaller frames (`ffmpeg -i FILE -g 60 -vf scale=-2:720 smaller.mp4`).",
            path=self._path,
        )
