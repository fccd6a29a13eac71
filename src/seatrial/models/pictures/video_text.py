"""The text that stands for a video in a prompt, as transformers' `SmolVLMProcessor` writes it (release 5.23).

In: the times of the frames, the duration, and the text that stands for one frame. Out: one sentence about the video,
then every frame with its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

_TO_NINE = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = tuple(f"{start}teen" for start in ("thir", "four", "fif", "six", "seven", "eigh", "nine"))
_ONES = (*_TO_NINE, "ten", "eleven", "twelve", *_TEENS)
_TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def video_text(at_s: Sequence[float], duration_s: float, frame_text: str) -> str:
    """Write a video's text: `at_s` are the frames' times and `duration_s` is the video's length, seconds."""
    length = timedelta(seconds=int(duration_s))
    frame_count = number_in_words(len(at_s))
    opening = f"You are provided the following series of {frame_count} frames from a {length} [H:MM:SS] video.\n"
    frames = (f"\nFrame from {int(time // 60):02d}:{int(time % 60):02d}:{frame_text}" for time in at_s)
    return f"{opening}{''.join(frames)}\n\n"


def number_in_words(number: int) -> str:
    """Write a number from 0 to 999,999 in English: 64 is "sixty-four", 1,101 is "one thousand, one hundred and one"."""
    assert 0 <= number < 1_000_000
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, size)
    joint = "" if not rest else " and " if rest < 100 else ", "
    return f"{number_in_words(many)} {name}{joint}{number_in_words(rest) if rest else ''}"
