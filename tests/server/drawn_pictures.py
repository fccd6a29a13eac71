"""Small pictures as their files have them, and as the data URLs that requests bring."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image


def picture(form: str = "PNG", size: tuple[int, int] = (8, 6), colour: str = "teal", **how: Any) -> bytes:
    """An encoded picture of one colour; `how` goes to Pillow's encoder."""
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, form, **how)
    return encoded.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def huge_png(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of that size: nobody can know better without decoding it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * min(height, 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
