"""Small videos as their files have them, and as the parts that requests bring."""

from __future__ import annotations

import io
from typing import Any

from drawn_pictures import data_url

BEGINNING = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(64)
"""As an MP4 begins, and nothing behind it."""


def video(num_frames: int = 8, fps: int = 4, seed: int = 0) -> bytes:
    """An MP4 of noise, in which every frame differs."""
    import av
    import numpy as np

    rng, file = np.random.default_rng(seed), io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(num_frames):
            pixels = np.kron(rng.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def part(data: bytes, media_type: str = "video/mp4") -> dict[str, Any]:
    """The same in chat completions and in responses."""
    return {"type": "video_url", "video_url": {"url": data_url(data, media_type)}}
