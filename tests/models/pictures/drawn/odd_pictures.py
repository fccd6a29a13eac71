"""Encoded pictures of odd shapes, modes and formats, drawn with a fixed seed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def drawing(width: int, height: int, mode: str = "RGB", seed: int = 7) -> Image.Image:
    """Slopes of colour, hard edges and noise."""
    rng = np.random.default_rng(seed)
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = across[None], down[:, None]
    pixels[..., 2] = rng.integers(0, 256, (height, width))
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        pen.rectangle([x, y, x + width // 5, y + height // 5], fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture.convert(mode)


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def see_through(mode: str = "RGBA") -> Image.Image:
    picture = drawing(301, 200, "RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture.convert(mode)


def turned(orientation: int, format: str = "JPEG") -> bytes:
    """A picture whose EXIF tag says how to hold it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(drawing(211, 130), format, exif=exif)


def moving(format: str) -> bytes:
    frames = [drawing(160, 120, seed=seed) for seed in range(3)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=50)


def deep_grey(most: int = 65535) -> np.ndarray:
    """A greyscale slope and a step of more than 8 bits."""
    levels = np.tile(np.linspace(0, most, 300), (200, 1))
    levels[50:100, 50:100] = most // 3
    return levels


def png16(levels: np.ndarray, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits per sample, grey or RGB; `extra` chunks before the pixels."""
    height, width = levels.shape[:2]
    colour_type = 0 if levels.ndim == 2 else 2
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + data + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def pgm16(levels: np.ndarray, most: int) -> bytes:
    height, width = levels.shape
    return f"P5 {width} {height} {most}\n".encode() + levels.astype(">u2").tobytes()


def tiff_row(samples: bytes, width: int, bits: int, *, is_signed: bool = False) -> bytes:
    """A grey TIFF of one row, of `bits` per sample as they lie in `samples`."""
    short, long = 3, 4
    tags = {
        256: (short, width),
        257: (short, 1),
        258: (short, bits),
        259: (short, 1),
        262: (short, 1),
        273: (long, 8),
        277: (short, 1),
        278: (short, 1),
        279: (long, len(samples)),
        339: (short, 2 if is_signed else 1),
    }
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(samples)) + samples + struct.pack("<H", len(tags)) + entries + bytes(4)


def rgb16() -> bytes:
    return png16(np.asarray(drawing(120, 90)).astype(np.uint16) * 257)


def late_exif() -> bytes:
    """A PNG that says how it lies only behind its pixels."""
    data = turned(6, "PNG")
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    chunk, rest = data[start:end], data[:start] + data[end:]
    return rest[:-12] + chunk + rest[-12:]


def xmp_turned() -> bytes:
    """A PNG that says how it lies in XMP, compressed."""
    data = encoded(drawing(211, 130), "PNG")
    text = zlib.compress(b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>')
    chunk = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + text)
    return data[:33] + chunk + data[33:]


@cache
def odd(name: str) -> bytes:
    return ODD[name]()


ODD: dict[str, Callable[[], bytes]] = {
    "page": lambda: encoded(drawing(1536, 1152), "PNG"),
    "landscape": lambda: encoded(drawing(640, 480), "PNG"),
    "portrait": lambda: encoded(drawing(600, 901), "JPEG"),
    "photograph": lambda: encoded(drawing(3000, 2001), "JPEG"),
    "square": lambda: encoded(drawing(512, 512), "PNG"),
    "one tile": lambda: encoded(drawing(384, 384), "PNG"),
    "one pixel more": lambda: encoded(drawing(385, 384), "PNG"),
    "one pixel less": lambda: encoded(drawing(383, 385), "PNG"),
    "primes": lambda: encoded(drawing(997, 1009), "PNG"),
    "two to one": lambda: encoded(drawing(768, 384), "PNG"),
    "one pixel": lambda: encoded(drawing(1, 1), "PNG"),
    "two pixels": lambda: encoded(drawing(1, 2), "PNG"),
    "ribbon": lambda: encoded(drawing(20_000, 10), "PNG"),
    "standing ribbon": lambda: encoded(drawing(10, 20_000), "PNG"),
    "thread": lambda: encoded(drawing(1, 3000), "PNG"),
    "grey": lambda: encoded(drawing(300, 200, "L"), "PNG"),
    "black and white": lambda: encoded(drawing(300, 200, "1"), "PNG"),
    "grey with alpha": lambda: encoded(see_through("LA"), "PNG"),
    "grey with a transparent level": lambda: encoded(drawing(300, 200, "L"), "PNG", transparency=100),
    "palette": lambda: encoded(drawing(300, 200).quantize(17), "PNG"),
    "palette with alphas": lambda: encoded(drawing(300, 200).quantize(32), "PNG", transparency=bytes(range(0, 256, 8))),
    "palette with a transparent colour": lambda: encoded(drawing(300, 200).quantize(16), "GIF", transparency=3),
    "alpha": lambda: encoded(see_through(), "PNG"),
    "a transparent colour": lambda: encoded(drawing(300, 200), "PNG", transparency=(0, 0, 0)),
    "16 bits per colour": rgb16,
    "CMYK JPEG": lambda: encoded(drawing(300, 200, "CMYK"), "JPEG"),
    "CMYK TIFF": lambda: encoded(drawing(300, 200, "CMYK"), "TIFF"),
    "LAB TIFF": lambda: encoded(drawing(300, 200, "LAB"), "TIFF"),
    "YCbCr TIFF": lambda: encoded(drawing(300, 200, "YCbCr"), "TIFF"),
    "TIFF with alpha": lambda: encoded(see_through(), "TIFF"),
    "fax": lambda: encoded(drawing(300, 200, "1"), "TIFF", compression="group4"),
    "progressive JPEG": lambda: encoded(drawing(400, 300), "JPEG", progressive=True),
    "grey JPEG": lambda: encoded(drawing(400, 300, "L"), "JPEG"),
    "WebP": lambda: encoded(drawing(400, 300), "WEBP"),
    "WebP with alpha": lambda: encoded(see_through(), "WEBP", lossless=True),
    "bitmap": lambda: encoded(drawing(201, 99), "BMP"),
    "pixmap": lambda: encoded(drawing(201, 99), "PPM"),
    "AVIF": lambda: encoded(drawing(128, 96), "AVIF"),
    "animated GIF": lambda: moving("GIF"),
    "animated WebP": lambda: moving("WEBP"),
    "animated PNG": lambda: moving("PNG"),
    **{f"EXIF {tag}": (lambda tag=tag: turned(tag)) for tag in range(1, 9)},
    "EXIF in a PNG": lambda: turned(6, "PNG"),
    "EXIF in a WebP": lambda: turned(8, "WEBP"),
    "EXIF in a TIFF": lambda: turned(3, "TIFF"),
    "EXIF of a quarter turn in a TIFF": lambda: turned(6, "TIFF"),
    "EXIF in an AVIF": lambda: turned(6, "AVIF"),
    "EXIF at the end of a PNG": late_exif,
    "XMP in a PNG": xmp_turned,
}
"""By name, what transformers' processor reads as we do."""
