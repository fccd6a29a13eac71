"""What is no picture, is damaged or too large is refused by name, before it is decoded."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_pictures import ODD, drawing, encoded, moving, odd, png_chunk, see_through, turned
from PIL import Image, ImageFile

from seatrial.errors import InputError
from seatrial.media.bounds import MOST_PIXELS
from seatrial.models.pictures import open_picture, picture_head, prepare_picture
from seatrial.models.vision_config import PictureRules, VisionConfig


def claims(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with hardly any pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body


@pytest.fixture
def undecodable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decodes fails the test."""

    def load(self: ImageFile.ImageFile) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.usefixtures("undecodable")
@pytest.mark.parametrize("size", [(8193, 8192), (12_000, 8000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    for look in (open_picture, picture_head):
        with pytest.raises(InputError, match=rf"more than the {MOST_PIXELS:,} .*Scale it down") as caught:
            look(claims(*size))
        assert caught.value.field == "pixels"


@pytest.mark.usefixtures("undecodable")
def test_a_jpeg_of_a_great_many_passes_is_refused_before_it_is_decoded() -> None:
    data = encoded(drawing(2000, 2000, "L"), "JPEG", progressive=True)
    with pytest.raises(InputError, match=r"JPEG of 2,000 × 2,000 pixels in [\d,]+ passes"):
        open_picture(data[:-2] + b"\xff\xda\x00\x00" * 1000 + data[-2:])


def test_the_limit_can_be_lowered() -> None:
    data = encoded(drawing(100, 100), "PNG")
    assert open_picture(data, most_pixels=10_000).size == (100, 100)
    with pytest.raises(InputError, match=r"100 × 100 = 10,000 pixels, more than the 9,999"):
        open_picture(data, most_pixels=9_999)


WRONG = {
    "empty": (b"", "is empty"),
    "text": (b"Dear sir or madam, " * 30, "no picture that is read here. PNG, JPEG"),
    "svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing.*Save it as PNG"),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "pdf": (b"%PDF-1.7\n%....", "PDF.*pdftoppm"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC.*JPEG or PNG"),
    "mp4": (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(60), "a video"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture that is read here"),
    "zip": (b"PK\x03\x04" + bytes(100), "no picture that is read here"),
    "icon": (b"\0\0\1\0\1\0\x10\x10" + bytes(100), "no picture that is read here"),
    "zeros": (bytes(4096), "no picture that is read here"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_named(name: str) -> None:
    data, said = WRONG[name]
    with pytest.raises(InputError, match=said):
        open_picture(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7])
def test_a_cut_picture_is_refused(format: str, kept: float) -> None:
    data = encoded(drawing(200, 150), format)
    with pytest.raises(InputError, match=r"damaged or cut short|no picture that is read here"):
        open_picture(data[: int(len(data) * kept)])


def test_the_contents_tell_the_format_not_the_name() -> None:
    assert open_picture(encoded(drawing(20, 10), "BMP")).size == (20, 10)


@pytest.mark.parametrize("name", ODD)
def test_the_head_tells_the_upright_size(name: str) -> None:
    head = picture_head(odd(name))
    assert (head.width, head.height) == open_picture(odd(name)).size


@pytest.mark.usefixtures("undecodable")
def test_the_head_is_read_without_decoding() -> None:
    for name in ODD:
        if name != "EXIF at the end of a PNG":
            head = picture_head(odd(name))
            assert head.media_type.startswith("image/")
            assert head.width > 0 < head.height


TYPES = {"page": "png", "portrait": "jpeg", "animated GIF": "gif", "WebP": "webp", "bitmap": "bmp", "AVIF": "avif"}


@pytest.mark.parametrize("name", TYPES)
def test_the_head_tells_what_the_bytes_are(name: str) -> None:
    assert picture_head(odd(name)).media_type == f"image/{TYPES[name]}"


def test_a_photograph_of_several_pictures_is_a_jpeg() -> None:
    two = encoded(drawing(40, 30), "MPO", save_all=True, append_images=[drawing(40, 30, seed=8)])
    assert picture_head(two) == (40, 30, "image/jpeg")


def test_damaged_exif_does_not_hide_the_picture_or_is_refused_by_name() -> None:
    data = turned(6)
    at = data.index(b"Exif\0\0") + 6
    for place in range(at, at + 30):
        for byte in (0x00, 0x7F, 0xFF):
            opens_or_is_refused(data[:place] + bytes([byte]) + data[place + 1 :])


def opens_or_is_refused(data: bytes) -> None:
    try:
        head = picture_head(data, most_pixels=1 << 20)
        picture = open_picture(data, most_pixels=1 << 20)
    except InputError as error:
        said = str(error)
    else:
        said = ""
        assert picture.size == head[:2]
        assert picture.mode == "RGB"
        assert len(picture.tobytes()) == picture.width * picture.height * 3
    assert len(said) < 400


SEEDS: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: encoded(drawing(40, 30).quantize(16), "PNG", transparency=3),
    "JPEG": lambda: turned(5),
    "progressive JPEG": lambda: encoded(drawing(40, 30), "JPEG", progressive=True),
    "WEBP": lambda: encoded(see_through(), "WEBP"),
    "GIF": lambda: moving("GIF"),
    "BMP": lambda: encoded(drawing(40, 30, "P"), "BMP"),
    "TIFF": lambda: encoded(drawing(40, 30), "TIFF", compression="tiff_lzw"),
    "fax": lambda: encoded(drawing(40, 30, "1"), "TIFF", compression="group4"),
    "PPM": lambda: encoded(drawing(40, 30), "PPM"),
    "AVIF": lambda: encoded(drawing(40, 30), "AVIF"),
}


@pytest.fixture(scope="module")
def seeds() -> dict[str, bytes]:
    return {name: make() for name, make in SEEDS.items()}


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=120, deadline=None)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    early=st.booleans(),
    kept=st.one_of(st.just(1.0), st.floats(0.05, 1)),
    tail=st.binary(max_size=20),
)
def test_damaged_bytes_are_a_picture_or_an_error_of_ours(
    seeds: dict[str, bytes],
    name: str,
    changes: list[tuple[float, int]],
    early: bool,
    kept: float,
    tail: bytes,
) -> None:
    data = bytearray(seeds[name])
    reach = min(len(data), 200) if early else len(data)
    for place, byte in changes:
        data[int(place * reach)] = byte
    opens_or_is_refused(bytes(data[: int(len(data) * kept)]) + tail)


MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"P5 ", b"P6 ", b"Pf ", b"RIFF"]


@settings(max_examples=300, deadline=None)
@given(
    magic=st.sampled_from([*MAGIC, b"", b"\0\0\0\x20ftypavif", b"RIFF\x40\0\0\0WEBPVP8L"]), rest=st.binary(max_size=300)
)
def test_random_bytes_behind_a_known_beginning(magic: bytes, rest: bytes) -> None:
    opens_or_is_refused(magic + rest)


def test_every_error_is_raised_by_preparing_too(tiny_eyes: tuple[VisionConfig, PictureRules]) -> None:
    with pytest.raises(InputError, match="PDF"):
        prepare_picture(b"%PDF-1.4", *tiny_eyes)


def test_opened_pictures_are_white_where_nothing_was_drawn() -> None:
    clear = Image.new("RGBA", (3, 2), (10, 20, 30, 0))
    assert open_picture(encoded(clear, "PNG")).getpixel((0, 0)) == (255, 255, 255)


def test_importing_loads_neither_pillow_nor_pyav_nor_torch() -> None:
    code = "import sys, seatrial.models.pictures; print([m for m in ('PIL', 'av', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
