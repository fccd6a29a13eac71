"""Small pictures and the beginnings of videos, for items that show something."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image

VIDEO = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(64)


def picture(colour: int = 200, form: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    file = BytesIO()
    Image.new("L", size, colour).save(file, form)
    return file.getvalue()


def write_picture(path: Path, colour: int = 200, form: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(colour, form))
    return path
