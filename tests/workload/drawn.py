"""Small pictures and videos, for items that show something."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

BEGINNING = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(64)
"""As an MP4 begins, and nothing behind it."""


def picture(colour: int = 200, form: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    file = BytesIO()
    Image.new("L", size, colour).save(file, form)
    return file.getvalue()


def write_picture(path: Path, colour: int = 200, form: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(colour, form))
    return path


@cache
def film(num_frames: int = 4) -> bytes:
    """An MP4 that changes from black to white."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(num_frames):
            levels = np.full((48, 64, 3), 255 * number // num_frames, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


@cache
def sound() -> bytes:
    """An MP4 that holds a second of silence and no picture."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def noise(form: str, **how: Any) -> bytes:
    """A picture of some thousand bytes."""
    file = BytesIO()
    Image.frombytes("L", (64, 48), random.Random(1).randbytes(64 * 48)).save(file, form, **how)
    return file.getvalue()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def frameless() -> bytes:
    """A video that says where its frames are, and has noughts there."""
    data = film()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    return data[:start] + bytes(end - start) + data[end:]


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header says this size, and which holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
