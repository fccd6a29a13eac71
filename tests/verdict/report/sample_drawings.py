"""Pictures for tests: receipts, charts, noise. Drawn anew from a seed; no file of pictures lies in the tree."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

GOODS = ("Rope, 12 mm", "Cleat", "Shackle", "Varnish", "Chart 2182B", "Flare", "Paint, red", "Fender")


def receipt(seed: int, *, num_lines: int = 6, width: int = 420) -> Image.Image:
    """A shop's receipt, higher than wide. Its total is `receipt_total(seed)`."""
    rng = random.Random(seed)
    picture = Image.new("L", (width, 190 + 34 * num_lines), 250)
    draw = ImageDraw.Draw(picture)
    draw.text((width / 2, 30), "The Rope Loft", fill=20, font=_font(30), anchor="mm")
    draw.text((width / 2, 66), f"Receipt {seed:04d}", fill=60, font=_font(18), anchor="mm")
    for line in range(num_lines):
        top = 100 + 34 * line
        draw.text((24, top), rng.choice(GOODS), fill=30, font=_font(20))
        draw.text((width - 24, top), f"{rng.randrange(100, 2000) / 100:.2f}", fill=30, font=_font(20), anchor="ra")
    draw.line((24, picture.height - 78, width - 24, picture.height - 78), fill=60, width=2)
    draw.text((24, picture.height - 60), "TOTAL", fill=10, font=_font(26))
    draw.text((width - 24, picture.height - 60), receipt_total(seed), fill=10, font=_font(26), anchor="ra")
    return picture


def receipt_total(seed: int) -> str:
    """What stands at the foot of a receipt."""
    return f"{random.Random(1000 + seed).randrange(1000, 99999) / 100:.2f}"


def chart(seed: int) -> Image.Image:
    """Five coloured bars, wider than high."""
    rng = random.Random(seed)
    picture = Image.new("RGB", (900, 520), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((450, 34), "Boats in harbour", fill="black", font=_font(30), anchor="mm")
    for bar in range(5):
        left, height = 90 + 150 * bar, rng.randrange(60, 360)
        draw.rectangle((left, 450 - height, left + 90, 450), fill=("#1c5d9c", "#b25708", "#0d7674")[bar % 3])
        draw.text(
            (left + 45, 480), ("May", "June", "July", "Aug", "Sept")[bar], fill="black", font=_font(22), anchor="mm"
        )
    draw.line((60, 450, 860, 450), fill="black", width=3)
    return picture


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """What compresses worst of all."""
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(3 * width * height))


def png(picture: Image.Image, **options: Any) -> bytes:
    """The picture as a PNG file."""
    file = BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def put(folder: Path, name: str, picture: Image.Image) -> Path:
    """The picture as a PNG file in a folder."""
    path = folder / name
    path.write_bytes(png(picture))
    return path


def webp(picture: Image.Image, quality: int = 60) -> bytes:
    """The picture as a WebP file."""
    file = BytesIO()
    picture.save(file, "WEBP", quality=quality)
    return file.getvalue()


def write_video(path: Path, colours: list[str]) -> None:
    """An MP4 of one colour after the other, eight frames a second."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for colour in colours:
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (160, 96), colour))))
        container.mux(stream.encode())


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
