"""Little videos whose every frame says its own number, in squares that survive compression."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

SQUARE, ACROSS, DOWN = 16, 8, 2


def numbered(number: int) -> np.ndarray:
    """A frame, uint8 [32, 128, 3]: sixteen squares, white for every bit of the number that is 1."""
    bits = [(number >> place) & 1 for place in range(ACROSS * DOWN)]
    grid = np.array(bits, np.uint8).reshape(DOWN, ACROSS) * 255
    return np.repeat(np.kron(grid, np.ones((SQUARE, SQUARE), np.uint8))[..., None], 3, axis=2)


def number_of(picture: Image.Image) -> int:
    """The number that a frame says, whatever size it was scaled to."""
    grey = np.asarray(picture.convert("L").resize((ACROSS, DOWN), Image.Resampling.BOX))
    return sum(1 << place for place, level in enumerate(grey.reshape(-1)) if level > 127)


def write_video(
    path: Path,
    num_frames: int,
    *,
    fps: Fraction | int = 10,
    codec: str = "libx264",
    keyframe_every: int = 10,
    rotation: int = 0,
    at: list[int] | None = None,
    max_b_frames: int | None = None,
    head_first: bool = False,
) -> Path:
    """Write a video; `at` are the frames' times in thousandths of a second where the rate is not constant.

    `head_first` puts an MP4's head before its frames, as is done for the web.
    """
    with av.open(str(path), "w", options={"movflags": "faststart"} if head_first else {}) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = SQUARE * ACROSS, SQUARE * DOWN, "yuv420p"
        stream.gop_size = keyframe_every
        stream.thread_count = 1
        if max_b_frames is not None:
            stream.codec_context.max_b_frames = max_b_frames
        if at is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts = number if at is None else at[number]
            frame.time_base = 1 / Fraction(fps) if at is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_silence(path: Path) -> Path:
    """A file of sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
