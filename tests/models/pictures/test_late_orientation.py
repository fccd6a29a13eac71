"""PNGs that say how they lie behind their pixels: known without decoding these."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_pictures import late_exif, moving, xmp_turned
from PIL.PngImagePlugin import PngImageFile

from seatrial.errors import InputError
from seatrial.models.pictures import open_picture, picture_head


def watched_decoding(patched: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Sizes of the PNGs whose pixels are decoded from now on."""
    decoded, load = list[tuple[int, int]](), PngImageFile.load

    def watched(self: PngImageFile) -> object:
        decoded.append(self.size)
        return load(self)

    patched.setattr(PngImageFile, "load", watched)
    return decoded


def late_xmp() -> bytes:
    data = xmp_turned()
    start = data.index(b"iTXt") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    return data[:start] + data[end:-12] + data[start:end] + data[-12:]


def late_in_an_animation() -> bytes:
    """Behind the frames, where nobody looks while the first one is decoded."""
    exif = late_exif()
    start = exif.index(b"eXIf") - 4
    return moving("PNG")[:-12] + exif[start:]


LATE = {
    "EXIF": late_exif,
    "XMP": late_xmp,
    "an animation": late_in_an_animation,
}


@cache
def late(name: str) -> bytes:
    return LATE[name]()


@pytest.mark.parametrize("name", ["EXIF", "XMP", "an animation"])
def test_what_is_said_behind_the_pixels_is_read_without_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = late(name)
    decoded = watched_decoding(monkeypatch)
    head = picture_head(data)
    assert all(width * height == 1 for width, height in decoded)
    assert (head.width, head.height) == open_picture(data).size


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(LATE)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
)
def test_a_damaged_end_is_told_as_decoding_tells_it(name: str, changes: list[tuple[float, bytes]]) -> None:
    data = bytearray(late(name))
    for place, replacement in changes:
        at = len(data) - 1 - int(place * 400)  # about the chunks behind the pixels
        data[at : at + len(replacement)] = replacement
    try:
        size = open_picture(bytes(data)).size
    except InputError:
        return
    head = picture_head(bytes(data))
    assert (head.width, head.height) == size
