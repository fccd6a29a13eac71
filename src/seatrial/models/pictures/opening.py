"""A file's bytes into an upright RGB picture.

In: bytes from anywhere. Out: a Pillow picture in mode RGB, turned as its EXIF tag says, transparency laid on white, the
first frame of an animation. What is no picture, is damaged, or would be too large is refused with an `InputError`; the
number of pixels is read from the header, before anything is decoded.

Colours become RGB as transformers' PIL processors make them (`convert_to_rgb` in `image_transforms.py`, release 5.23),
but for greyscale of more than 8 bits, which those clip to white: here the upper 8 bits are kept of as many as the file
says that a level has. Levels of 32 bits often hold fewer; there the brightest of them tells whether it is 8, 16 or 32.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seatrial.errors import InputError
from seatrial.media.bounds import MOST_PIXELS, num_scans_too_many
from seatrial.models.pictures.png_chunks import without_pixels

if TYPE_CHECKING:
    from PIL import Image

# Formats by Pillow's names. Not among them: those that run other programs (EPS), or hold others (ICO, ICNS).
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
_KNOWN = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and PNM are read."
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_AT_MOST, _AGAIN = "that are decoded at most. Scale it down first.", "Save or fetch it again."
# EXIF's tag for how a picture lies, what turns each of its values upright, and those that exchange the sides.
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ON_ITS_SIDE = (5, 6, 7, 8)
_BITS_PER_SAMPLE = 258  # TIFF's tag


class PictureHead(NamedTuple):
    """What a file says of itself before it is decoded: upright width and height in pixels, and its type, `image/png`.

    The type is what the bytes are, whatever the file is called.
    """

    width: int
    height: int
    media_type: str


def open_picture(data: bytes, *, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Decode a picture: RGB, upright, on white.

    Raises InputError for bytes that are no picture we read, a damaged one, and more than `most_pixels` pixels.
    """
    from PIL import Image

    with _opened(data, most_pixels) as picture:
        picture.load()
        turn = _TURNS.get(_orientation(picture))
        shallow = _eight_bits(picture)
        return _on_white(shallow.transpose(Image.Transpose[turn]) if turn else shallow)


def picture_head(data: bytes, *, most_pixels: int = MOST_PIXELS) -> PictureHead:
    """Look at a picture without decoding it. Raises InputError as `open_picture`, but for what only decoding tells."""
    from PIL import Image

    with _opened(data, most_pixels) as picture:
        width, height = picture.size
        if _lies_on_its_side(picture, data):
            width, height = height, width
        form = "JPEG" if picture.format == "MPO" else picture.format or ""
        return PictureHead(width, height, Image.MIME.get(form, f"image/{form.lower()}"))


@contextmanager
def _opened(data: bytes, most_pixels: int) -> Iterator[Image.Image]:
    """A file that is a picture and not too large. Whatever is raised while it is looked at becomes an InputError."""
    from PIL import Image, UnidentifiedImageError

    # What is wrong with a file becomes an error here, or does not matter; Pillow would tell it on stderr besides.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.init()
    formats = [each for each in _FORMATS if each in Image.OPEN]
    try:
        with Image.open(io.BytesIO(data), formats=formats) as picture:
            _refuse_too_large(picture, data, most_pixels)
            yield picture
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(_what_it_is(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        told = re.search(r"\((\d+) pixels\)", str(error))
        size = f"{int(told[1]):,} pixels, more" if told else "far more pixels"
        reason = f"The picture has {size} than the {most_pixels:,} {_AT_MOST}"
        raise InputError(reason, field="pixels") from None
    except Exception as error:
        # Pillow's decoders let nearly any type escape from a damaged file: struct.error, KeyError, MemoryError.
        reason = f"The picture ({len(data):,} bytes) is damaged or cut short: {_said(error)}. {_AGAIN}"
        raise InputError(reason) from error


def _refuse_too_large(picture: Image.Image, data: bytes, most_pixels: int) -> None:
    width, height = picture.size
    if width < 1 or height < 1:
        raise InputError(f"The picture is empty: {width:,} × {height:,} pixels.")
    if width * height > most_pixels:
        size = f"{width:,} × {height:,} = {width * height:,} pixels"
        raise InputError(f"The picture has {size}, more than the {most_pixels:,} {_AT_MOST}", field="pixels")
    is_jpeg = picture.format in ("JPEG", "MPO")
    if is_jpeg and (scans := num_scans_too_many(data, width * height, most_pixels=most_pixels)):
        raise InputError(
            f"The picture is a JPEG of {width:,} × {height:,} pixels in {scans:,} passes, which would take minutes to "
            "decode. Save it again, not progressive."
        )


def _lies_on_its_side(picture: Image.Image, data: bytes) -> bool:
    """Whether turning the picture upright exchanges its sides. Decodes none of its pixels."""
    from PIL import Image
    from PIL.TiffImagePlugin import TiffImageFile

    if isinstance(picture, TiffImageFile) and picture.tag_v2.get(_ORIENTATION) in _ON_ITS_SIDE:
        return False  # its size is the upright one already
    pixels = data.find(b"IDAT") if picture.format == "PNG" else -1
    if pixels >= 0 and any(data.find(mark, pixels) >= 0 for mark in (b"eXIf", b"type exif", b"adobe.xmp")):
        with Image.open(io.BytesIO(without_pixels(data)), formats=["PNG"]) as small:
            small.load()
            return _orientation(small) in _ON_ITS_SIDE
    return _orientation(picture) in _ON_ITS_SIDE


def _orientation(picture: Image.Image) -> int:
    """How the picture lies, 1 to 8, as EXIF or XMP say that were read so far; 1 is upright."""
    from PIL import Image

    try:
        # Pillow's own method for PNG would decode all pixels to see what is said behind them.
        value = Image.Image.getexif(picture).get(_ORIENTATION)
    except Exception:
        return 1  # of as many types as decoders raise; a picture is not refused for damage beside its pixels
    return value if isinstance(value, int) else 1


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Greyscale of more than 8 bits as 8; anything else as it is."""
    from PIL import Image

    if not picture.mode.startswith(("I", "F")):
        return picture
    levels_HW = np.asarray(picture)
    if picture.mode == "F":
        finite_HW = np.nan_to_num(levels_HW, posinf=255.0, neginf=0.0)
        grey_HW = finite_HW * 255 if finite_HW.max() <= 1 else finite_HW
    else:
        grey_HW = levels_HW >> _spare_bits(picture, int(levels_HW.max()))
    grey_HW = np.clip(grey_HW, 0, 255).astype(np.uint8)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey_HW[levels_HW == transparent] = 255
    return Image.fromarray(grey_HW)


def _spare_bits(picture: Image.Image, most: int) -> int:
    """How many low bits to drop of each level of mode `I…`, so that 8 are left. `most` is the brightest level.

    Pillow brings every PGM to 16 bits, and leaves those of a TIFF as they are.
    """
    from PIL.TiffImagePlugin import TiffImageFile

    num_bits = picture.tag_v2[_BITS_PER_SAMPLE][0] if isinstance(picture, TiffImageFile) else 16
    if num_bits < 32:
        return int(num_bits) - 8
    return 0 if most < 1 << 8 else 8 if most < 1 << 16 else 24


def _on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if "A" in picture.getbands() or picture.info.get("transparency") is not None:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _what_it_is(data: bytes) -> str:
    """Why these bytes are no picture, and what to do instead."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    brand = data[8:12].lower() if data[4:8] == b"ftyp" else b""
    if not data:
        return "The picture is empty: 0 bytes."
    if head.startswith(b"%pdf"):
        return "This is a PDF document, not a picture. Turn its pages into pictures: `pdftoppm -png -r 150 FILE page`."
    if b"<svg" in head:
        return "This is an SVG drawing, not a picture of pixels. Save it as PNG."
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "This is a web page (HTML), not a picture. Save the picture itself."
    if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "This is a HEIC photograph, which is not read here. Save it as JPEG or PNG."
    if data.startswith(_BEGINNINGS) or brand in (b"avif", b"avis"):
        return f"The picture ({len(data):,} bytes) is damaged or cut short: its header cannot be read. {_AGAIN}"
    if brand or data[:4] == b"\x1aE\xdf\xa3" or (data[:4] == b"RIFF" and data[8:12] == b"AVI "):
        return "This is a video, not a picture. Give it as a video, or save one frame as PNG."
    return f"These {len(data):,} bytes are no picture that is read here. {_KNOWN}"


def _said(error: Exception) -> str:
    """What a decoder said, in one line."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
