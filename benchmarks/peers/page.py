"""The page that is looked at, and the questions: the same for every engine, another page for every seed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

SIZE = (1536, 1152)
QUESTIONS = ("What is the total?", "Who sent this, and when is it to be paid?")
ROW_STEP = 13  # every so many rows of a page are compared
_LINES, _LINE_PIXELS = 40, 28
_WORDS = ("invoice", "total", "net", "tax", "paid", "due", "street", "number", "item", "price", "2026", "EUR")


def page_png(seed: int) -> bytes:
    """A page of drawn lines as PNG."""
    rng = np.random.default_rng(seed)
    paper = rng.integers(244, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    picture = Image.fromarray(paper)
    draw = ImageDraw.Draw(picture)
    for line in range(_LINES):
        words = [str(rng.choice(_WORDS)) for _ in range(12)] + [f"{rng.integers(1, 10_000) / 100:.2f}"]
        draw.text((40 + int(rng.integers(0, 60)), 10 + line * _LINE_PIXELS), "  ".join(words), fill=(20, 20, 40))
    to = io.BytesIO()
    picture.save(to, "PNG", compress_level=1)
    return to.getvalue()


def prompt_around(picture_text: str, question: str) -> str:
    """What is asked: a plain prompt, so that no chat template has to be the same everywhere."""
    return f"User:{picture_text}{question}\nAssistant:"
