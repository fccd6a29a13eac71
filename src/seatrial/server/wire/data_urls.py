"""Data URLs (RFC 2397) with base64 in them, as requests bring pictures and videos.

In: a URL. Out: what it claims to be, how long it is, and its bytes. What these are, their first ones say. The length is
told apart from the bytes, so that what is too long is never decoded.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

from seatrial.server.errors import bad_request

# Characters that are decoded from base64 at once; a multiple of four.
_PIECE = 1 << 18


class DataUrl(NamedTuple):
    """A data URL taken apart. `media_type` is in lower case, and may be empty."""

    media_type: str
    encoded: str

    @property
    def num_bytes(self) -> int:
        """How many bytes there are, told without decoding them."""
        return len(self.encoded) * 3 // 4 - self.encoded[-2:].count("=")


def parsed(url: str) -> DataUrl | None:
    """The parts of a data URL in base64; None for any other address."""
    header, comma, encoded = url.partition(",")
    if not comma or header[:5].lower() != "data:" or not header.lower().endswith(";base64"):
        return None
    return DataUrl(header[5:].split(";", 1)[0].lower(), encoded)


def content_of(url: DataUrl, *, param: str, code: str) -> bytes:
    """The bytes of a URL. Raises Failure with `param` and `code` where it is no base64, and where there are none."""
    try:
        data = decoded(url.encoded)
    except ValueError:
        raise bad_request(f"'{param}' is not valid base64.", param=param, code=code) from None
    if not data:
        raise bad_request(f"'{param}' holds no bytes.", param=param, code=code)
    return data


def decoded(encoded: str) -> bytes:
    """Base64 in pieces, between which other threads go on. Raises ValueError."""
    letters = encoded.rstrip("=")
    num_whole = len(letters) // 4 * 4
    if "=" in letters or len(encoded) - len(letters) > 2:
        raise ValueError("padding before the end, or too much of it")
    pieces = [letters[start : min(start + _PIECE, num_whole)] for start in range(0, num_whole, _PIECE)]
    if len(letters) > num_whole or not pieces:
        pieces.append(encoded[num_whole:])
    return b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
