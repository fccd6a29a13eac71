"""The picture of a comparison, as it stands beside a link elsewhere (Open Graph): 1200 × 630, PNG.

A `Comparison` comes in, bytes go out, the same for the same comparison. Texts are fitted: set smaller, wrapped, then
cut. What cannot be drawn (control characters, changes of direction, letters that the font lacks) is taken out first, so
that no name can push another off the picture or turn it round.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from seatrial.site.library import Comparison
from seatrial.site.listings import listing_of
from seatrial.site.pages.lines import ComparisonLine, comparison_line
from seatrial.verdict import wording

WIDTH, HEIGHT = 1200, 630
LONGEST_TEXT = 400
MOST_NAMES = 3

_MARGIN = 72
_INK, _SOFT, _PAPER, _SEA, _LINE = "#10243a", "#4b5d70", "#fdfcf9", "#e9f1f5", "#d3dce3"
_MARKS = {"ship": "#0a6a43", "mix": "#0a6a43", "skip": "#b0261d", "undecided": "#865600"}
_INSTEAD = {
    "–": "-",
    "—": "-",
    "−": "-",
    "‐": "-",
    "‑": "-",
    "×": "x",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
} | {
    "€": "EUR ",
    "£": "GBP ",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "đ": "d",
}
_ABSENT = "\U000e0fff"
"""A character that no font has: what is drawn for it is what is drawn for every letter that is missing."""


@dataclass(frozen=True, slots=True)
class _Pen:
    """Where things are drawn."""

    draw: ImageDraw.ImageDraw

    def write(self, at: tuple[float, float], words: str, size: int, colour: str, *, bold: bool = False) -> None:
        """Words with their upper left corner at `at`. The font has one weight; bold is a stroke of the same colour."""
        self.draw.text(at, words, fill=colour, font=_font(size), stroke_width=max(1, size // 40) if bold else 0)


def comparison_picture(comparison: Comparison) -> bytes:
    """The picture as PNG."""
    document = comparison.document
    line = comparison_line(listing_of(comparison.slug, document))
    image = Image.new("RGB", (WIDTH, HEIGHT), _SEA)
    pen = _Pen(ImageDraw.Draw(image))
    _draw_scale(pen)
    pen.write((_MARGIN, 54), "Seatrial", 34, _INK, bold=True)
    pen.write((_MARGIN, 118), "Which one should you ship?" if len(line.names) > 1 else "Should you ship it?", 38, _SOFT)
    below = _draw_names(pen, line.names, 176)
    _draw_verdict(pen, line, below + 30)
    pen.draw.rectangle((0, HEIGHT - 74, WIDTH, HEIGHT), fill=_PAPER)
    pen.draw.line((0, HEIGHT - 74, WIDTH, HEIGHT - 74), fill=_LINE, width=2)
    pen.write((_MARGIN, HEIGHT - 55), _stands_on(line, document.run.decided_on), 28, _SOFT)
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def drawable(text: str) -> str:
    """The text as it can be drawn: one line, no control or formatting characters, unknown letters as `?`, cut."""
    spaced = "".join(" " if letter.isspace() else letter for letter in text[: 4 * LONGEST_TEXT])
    kept = "".join(_known(letter) for letter in spaced if unicodedata.category(letter)[0] not in "CM")
    return " ".join(kept.split())[:LONGEST_TEXT].rstrip()


def fitted(text: str, width: float, sizes: Sequence[int]) -> tuple[str, int]:
    """The text and the largest of `sizes` (descending) at which it is at most `width` wide; cut at the smallest."""
    for size in sizes:
        if _font(size).getlength(text) <= width:
            return text, size
    return _cut(text, width, sizes[-1]), sizes[-1]


def wrapped(text: str, width: float, size: int, most_lines: int) -> list[str]:
    """The text in lines at most `width` wide, broken at spaces, inside a word where it must be; the last one cut."""
    if most_lines < 1:
        return []
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most_lines - 1:
        taken = _line_length(rest, width, size)
        lines.append(rest[:taken].rstrip())
        rest = rest[taken:].lstrip()
    return [*lines, _cut(rest, width, size)] if rest else lines


def _draw_scale(pen: _Pen) -> None:
    """The upper edge: a chart's latitude scale."""
    for place, left in enumerate(range(0, WIDTH, 60)):
        pen.draw.rectangle((left, 0, left + 59, 14), fill=_PAPER if place % 2 else _INK)
    pen.draw.line((0, 15, WIDTH, 15), fill=_INK, width=2)


def _draw_names(pen: _Pen, names: Sequence[str], top: float) -> float:
    """The candidates, one a line; how many more where they are many. Returns where the last line ends."""
    shown = [drawable(name) or "?" for name in names[:MOST_NAMES]]
    if len(names) > MOST_NAMES:
        shown[-1] = f"and {len(names) - MOST_NAMES + 1} more"
    sizes = (72, 64, 56, 48, 40) if len(shown) < MOST_NAMES else (56, 48, 40, 34)
    room = WIDTH - 2 * _MARGIN
    size = min(fitted(name, room, sizes)[1] for name in shown)
    for name in shown:
        pen.write((_MARGIN, top), _cut(name, room, size), size, _INK, bold=True)
        top += round(size * 1.22)
    return top


def _draw_verdict(pen: _Pen, line: ComparisonLine, top: float) -> None:
    """The decision as a badge, its sentence under it in what room is left."""
    size = 32
    width = _font(size).getlength(line.badge) + 40
    pen.draw.rounded_rectangle((_MARGIN, top, _MARGIN + width, top + 54), 6, fill=_MARKS[line.decision])
    pen.write((_MARGIN + 20, top + 9), line.badge, size, _PAPER, bold=True)
    top += 74
    height = 40
    most_lines = int((HEIGHT - 90 - top) // height)
    for words in wrapped(drawable(line.sentence), WIDTH - 2 * _MARGIN, 30, max(0, most_lines)):
        pen.write((_MARGIN, top), words, 30, _INK)
        top += height


def _stands_on(line: ComparisonLine, judged_on: date) -> str:
    return f"{line.basis[:1].upper()}{line.basis[1:]}, judged on {wording.day(judged_on)}"


def _line_length(text: str, width: float, size: int) -> int:
    """How many characters of `text`, at least one, fill a line; up to the last space that fits, if there is one."""
    fits = _num_fitting(text, width, size)
    if fits == len(text) or text[fits].isspace():
        return fits
    space = text.rfind(" ", 0, fits)
    return space if space > 0 else fits


def _cut(text: str, width: float, size: int) -> str:
    """The text with an ellipsis where it is too wide."""
    if _font(size).getlength(text) <= width:
        return text
    room = width - _font(size).getlength("…")
    return text[: _num_fitting(text, room, size)].rstrip() + "…"


def _num_fitting(text: str, width: float, size: int) -> int:
    """The most characters from the start, at least one, that are together at most `width` wide."""
    font, low, high = _font(size), 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow carries, in `size` pixels. Laid out letter by letter: no shaping, the same everywhere."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install it from its own wheels.")
    return font


@lru_cache(maxsize=4096)
def _known(letter: str) -> str:
    """The letter as the font can draw it: itself, without its accent, in other letters, or `?`.

    Pillow's font holds the letters, digits and signs of English.
    """
    if _is_drawn(letter):
        return letter
    plain = _INSTEAD.get(letter) or "".join(each for each in unicodedata.normalize("NFKD", letter) if _is_drawn(each))
    return plain or "?"


@lru_cache(maxsize=4096)
def _is_drawn(letter: str) -> bool:
    if letter == " ":
        return True
    absent, mask = _font(32).getmask(_ABSENT), _font(32).getmask(letter)
    return (mask.size, bytes(mask)) != (absent.size, bytes(absent))
