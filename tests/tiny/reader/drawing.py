"""Little receipts with a total of three digits, drawn from a seed.

In: a seed and a layout. Out: a picture, the total that stands on it, and where every character is.
Coordinates are in points: one point is one pixel of the tiles that the encoder sees. A receipt is folded where the
tiles meet, and nothing is printed on a fold; the amounts stand astride the last upright fold, so that no tile holds a
whole total and a reader has to put the tiles in order.
"""

from __future__ import annotations

import functools
import itertools
import random
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TOTAL = "TOTAL"
SHOPS = ("CORNER SHOP", "CAFE", "MARKET", "BAKERY", "KIOSK", "GROCER")
GOODS = ("TEA", "MILK", "BREAD", "EGGS", "RICE", "SOUP", "SALT", "CAKE", "FISH", "HAM", "OIL", "PLUM")
ENDINGS = ("THANKS", "PAID CASH", "GOODBYE", "COME AGAIN")
# Found by file name where the system keeps its fonts; Pillow brings one of its own, which is always among them.
FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "LiberationSans-Regular.ttf",
    "LiberationMono-Bold.ttf",
)
_CAP_HEIGHT = 0.73  # of a font's size, to be on the safe side


@dataclass(frozen=True, slots=True)
class Layout:
    """What receipts look like: their size in tiles, the tile and the line in points, and how much they vary."""

    rows: int = 2
    columns: int = 3
    tile: int = 48
    line: int = 16
    fonts: tuple[str, ...] = FONTS
    sizes: tuple[float, ...] = (12.0, 13.0, 14.0)
    scales: tuple[float, ...] = (1.0, 1.25, 1.5, 2.0)
    most_goods: int = 3
    noise: float = 4.0
    jitter: float = 1.0  # 0: every character stands in the same place of its cell

    @property
    def width(self) -> int:
        """In points."""
        return self.columns * self.tile

    @property
    def height(self) -> int:
        """In points."""
        return self.rows * self.tile


class Glyph(NamedTuple):
    """A printed character and its centre, in points."""

    character: str
    x: float
    y: float


class Receipt(NamedTuple):
    """A drawn receipt."""

    picture: Image.Image
    total: int
    glyphs: tuple[Glyph, ...]


class _Line(NamedTuple):
    label: str
    amount: str = ""


class _Type(NamedTuple):
    """How lines are set, in points: the font's size, its cap height, the pitch, and how far past a fold one goes on."""

    size: float
    cap: float
    pitch: float
    margin: float


def draw_receipt(seed: int, layout: Layout) -> Receipt:
    """The receipt of a seed: the same picture wherever the same fonts are."""
    rng = random.Random(seed)
    total, glyphs, kind = _typeset(rng, layout)
    font_name, scale = rng.choice(_present(layout.fonts)), rng.choice(layout.scales)
    font = _font(font_name, kind.size * scale)
    paper = tuple(rng.randint(225, 255) for _ in range(3))
    ink = tuple(rng.randint(0, 80) for _ in range(3))
    picture = Image.new("RGB", (round(layout.width * scale), round(layout.height * scale)), paper)
    canvas = ImageDraw.Draw(picture)
    for glyph in glyphs:
        at = (glyph.x * scale, (glyph.y + kind.cap / 2) * scale)
        canvas.text(at, glyph.character, font=font, fill=ink, anchor="ms")
    return Receipt(_grained(picture, seed, rng.uniform(0.0, layout.noise)), total, glyphs)


def typeset_receipt(seed: int, layout: Layout) -> tuple[int, tuple[Glyph, ...]]:
    """The total and the characters of `draw_receipt`, without the drawing."""
    total, glyphs, _ = _typeset(random.Random(seed), layout)
    return total, glyphs


def _typeset(rng: random.Random, layout: Layout) -> tuple[int, tuple[Glyph, ...], _Type]:
    total, size = rng.randint(100, 999), rng.choice(layout.sizes)
    kind = _Type(
        size, size * _CAP_HEIGHT, 8 + layout.jitter * rng.uniform(0.5, 1.5), layout.jitter * rng.uniform(0.0, 2.0)
    )
    lines = _lines(rng, total, layout)
    places = sorted(rng.sample(range(layout.height // layout.line), len(lines)))
    left = layout.jitter * rng.uniform(1.0, 8.0)
    glyphs: list[Glyph] = []
    for place, line in zip(places, lines, strict=True):
        free = layout.line - kind.cap
        top = place * layout.line + free / 2 + layout.jitter * rng.uniform(0.5 - free / 2, free / 2 - 0.5)
        glyphs += _set(line.label, left, top, kind, layout)
        glyphs += _set(line.amount, _start(rng, line.amount, kind, layout), top, kind, layout)
    return total, tuple(glyphs), kind


def _lines(rng: random.Random, total: int, layout: Layout) -> list[_Line]:
    """Perhaps a shop, perhaps goods whose prices add up to the total, the total, perhaps a greeting."""
    room = layout.height // layout.line - 1
    num_goods = rng.choice([0, *range(2, min(layout.most_goods, room) + 1)])
    cuts = [0, *sorted(rng.sample(range(1, total), max(num_goods - 1, 0))), total]
    prices = [str(end - start) for start, end in itertools.pairwise(cuts)]
    lines = [_Line(rng.choice(GOODS), price) for price in prices[:num_goods]] + [_Line(TOTAL, str(total))]
    if len(lines) <= room and rng.random() < 0.5:
        lines.insert(0, _Line(rng.choice(SHOPS)))
    if len(lines) <= room and rng.random() < 0.5:
        lines.append(_Line(rng.choice(ENDINGS)))
    return lines


def _start(rng: random.Random, amount: str, kind: _Type, layout: Layout) -> float:
    """Where an amount begins, so that some of its digits stand on either side of the last upright fold."""
    num_left = rng.randint(1, len(amount) - 1) if len(amount) > 1 else rng.randint(0, 1)
    return (layout.columns - 1) * layout.tile - num_left * kind.pitch - layout.jitter * rng.uniform(0.0, 4.0)


def _set(text: str, x: float, top: float, kind: _Type, layout: Layout) -> list[Glyph]:
    """The characters of a text from `x` on at a fixed pitch; one that a fold would cut moves past it.

    Example: at a pitch of 9 points from x = 42 the first character would end at 51; it begins at the fold, 48, instead.
    """
    glyphs = []
    for character in text:
        fold = -(-x // layout.tile) * layout.tile
        if x < fold < x + kind.pitch:
            x = fold + kind.margin
        if character != " ":
            glyphs.append(Glyph(character, x + kind.pitch / 2, top + kind.cap / 2))
        x += kind.pitch
    return glyphs


def _grained(picture: Image.Image, seed: int, noise: float) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.int16)
    grain = np.random.default_rng(seed).standard_normal(pixels.shape[:2], dtype=np.float32) * noise
    return Image.fromarray(np.clip(pixels + grain.astype(np.int16)[..., None], 0, 255).astype(np.uint8))


@functools.cache
def _present(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the fonts that this machine has, and Pillow's own, which has no name."""

    def opens(name: str) -> bool:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            return False
        return True

    return ("", *filter(opens, names))


@functools.cache
def _font(name: str, size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
