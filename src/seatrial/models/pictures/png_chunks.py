"""A PNG without its pixels, for what else its file says.

In: a PNG's bytes. Out: a PNG of one pixel with the same chunks before and behind, which costs nothing to decode.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FRAMES = (b"acTL", b"fcTL", b"fdAT")
# A filter's byte and a pixel of four colours with 16 bits each, the most there can be.
_ONE_PIXEL = zlib.compress(bytes(9))


def without_pixels(data: bytes) -> bytes:
    """The same PNG with one pixel, as far as its chunks can be followed.

    What stands behind the second frame of an animation is left out, as decoders leave it that show the first.
    """
    kept, has_pixels, is_animated = [_SIGNATURE], False, False
    for chunk in _chunks(data):
        if chunk.name == b"IHDR" and len(chunk.body) >= 13:
            kept.append(_written(b"IHDR", struct.pack(">II", 1, 1) + chunk.body[8:12] + b"\0"))
        elif chunk.name == b"IDAT":
            kept += [] if has_pixels else [_written(b"IDAT", _ONE_PIXEL)]
            has_pixels = True
        elif chunk.name == b"fcTL" and has_pixels and is_animated:
            break
        elif chunk.name not in _FRAMES:
            kept.append(chunk.whole)
        is_animated = is_animated or chunk.name == b"acTL"
    return b"".join((*kept, _written(b"IEND", b"")))


class _Chunk(NamedTuple):
    name: bytes
    body: bytes
    whole: bytes


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Chunks in order, the last before the end, or before the first that the file does not hold whole."""
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        num_bytes, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + num_bytes
        if name == b"IEND" or end > len(data):
            return
        yield _Chunk(name, data[at + 8 : end - 4] if name != b"IDAT" else b"", data[at:end] if name != b"IDAT" else b"")
        at = end


def _written(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
