"""A sheet to draw a document on, the lettering for it, and what a scanner does to it.

Fonts are asked for by file name where the system keeps them (DejaVu, Liberation); two come with Pillow: Aileron, and
the dots of an old printer. Text is laid out by Pillow's basic engine, so that it falls in the same places everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Align = Literal["left", "right", "centre"]
Ink: TypeAlias = int | tuple[int, int, int]
PAPER: Ink = 250
_GREYS = 16


class Question(NamedTuple):
    """Something to ask about a document. Of several accepted answers the first is as the document prints it."""

    name: str
    text: str
    answers: tuple[str, ...]


class Document(NamedTuple):
    """A drawn document, all that may be asked about it, and the figures on it, for checks."""

    picture: Image.Image
    questions: tuple[Question, ...]
    facts: dict[str, object]


class Face(NamedTuple):
    """A typeface: font files for plain and bold, or one of Pillow's own (`aileron`, `dots`) without any."""

    name: str
    plain: str = ""
    bold: str = ""


FACES = {
    face.name: face
    for face in (
        Face("sans", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
        Face("serif", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
        Face("mono", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
        Face("condensed", "DejaVuSansCondensed.ttf", "DejaVuSansCondensed-Bold.ttf"),
        Face("grotesque", "LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
        Face("roman", "LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf"),
        Face("typewriter", "LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf"),
        Face("narrow", "LiberationSansNarrow-Regular.ttf", "LiberationSansNarrow-Bold.ttf"),
        Face("aileron"),
        Face("dots"),
    )
}


@dataclass(frozen=True, slots=True)
class Letters:
    """A font at a size. `scale` multiplies the pixels of one that has a single size."""

    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    scale: int = 1

    def width(self, text: str) -> int:
        """How far a text runs, pixels."""
        return round(self.font.getlength(text)) * self.scale

    @property
    def height(self) -> int:
        """From the top of a line to the top of the next, pixels."""
        if isinstance(self.font, ImageFont.FreeTypeFont):
            return round(sum(self.font.getmetrics()) * 1.12)
        return 12 * self.scale


@lru_cache(maxsize=256)
def letters(face: str, size: int, bold: bool = False) -> Letters:
    """A face at a size in pixels. Raises OSError where the system has no such font."""
    if face == "dots":
        return Letters(ImageFont.load_default_imagefont(), 2 if size >= 18 else 1)
    if face == "aileron":
        return Letters(_own_font(size))
    name = FACES[face].bold if bold else FACES[face].plain
    return Letters(ImageFont.truetype(name, size, layout_engine=ImageFont.Layout.BASIC))


def some_sign(face: str, dice: random.Random) -> str:
    """A currency's sign that the face has, or none."""
    return dice.choice({"aileron": ("", "$"), "dots": ("", "$", "£")}.get(face, ("", "$", "£", "€")))


def missing_fonts() -> list[str]:
    """The font files that this system lacks."""
    missing = []
    for face in FACES.values():
        for name in (face.plain, face.bold):
            try:
                letters(face.name, 12, name == face.bold)
            except OSError:
                missing.append(name)
    return missing


class Sheet:
    """A page of greys or colours under construction. Coordinates in pixels from its upper left corner."""

    def __init__(self, width: int, height: int, paper: Ink = PAPER) -> None:
        self.picture = Image.new("L" if isinstance(paper, int) else "RGB", (width, height), paper)
        self.paper = paper
        self._draw = ImageDraw.Draw(self.picture)

    def text(self, x: int, y: int, text: str, how: Letters, *, align: Align = "left", ink: Ink = 25) -> int:
        """Write one line from, to or around `x`, its top at `y`. Returns the top of the next line."""
        x -= {"left": 0, "right": how.width(text), "centre": how.width(text) // 2}[align]
        if isinstance(how.font, ImageFont.FreeTypeFont):
            self._draw.text((x, y), text, font=how.font, fill=ink)
        else:
            self._dots(x, y, text, how, ink)
        return y + how.height

    def _dots(self, x: int, y: int, text: str, how: Letters, ink: Ink) -> None:
        """Write in the font of dots. Pillow cuts a column off its first letter, which is therefore a blank."""
        mask = Image.new("L", (how.width(f" {text}") // how.scale, how.height // how.scale), 0)
        ImageDraw.Draw(mask).text((0, 0), f" {text}", font=how.font, fill=255)
        mask = mask.resize((mask.width * how.scale, mask.height * how.scale), Image.Resampling.NEAREST)
        self.picture.paste(ink, (x - how.width(" "), y), mask)

    def turned_text(self, x: int, y: int, text: str, how: Letters, ink: Ink) -> None:
        """Write one line from below to above, centred on `x`, `y`."""
        mask = Image.new("L", (how.width(text) + 2, how.height), 0)
        ImageDraw.Draw(mask).text((1, 0), text, font=how.font, fill=255)
        mask = mask.transpose(Image.Transpose.ROTATE_90)
        self.picture.paste(ink, (x - mask.width // 2, y - mask.height // 2), mask)

    def rule(self, x0: int, x1: int, y: int, *, dash: int = 0, ink: Ink = 90, width: int = 1) -> None:
        """A level line; with `dash`, one of that many pixels drawn and as many left out."""
        if not dash:
            self._draw.line([(x0, y), (x1, y)], fill=ink, width=width)
        for x in range(x0, x1, 2 * dash) if dash else ():
            self._draw.line([(x, y), (min(x + dash, x1), y)], fill=ink, width=width)

    def line(self, points: Sequence[tuple[float, float]], ink: Ink, width: int = 1) -> None:
        """A line through points."""
        self._draw.line(list(points), fill=ink, width=width)

    def box(
        self, corners: tuple[float, float, float, float], *, fill: Ink | None = None, edge: Ink | None = None
    ) -> None:
        """A rectangle: left, top, right, bottom."""
        self._draw.rectangle(corners, fill=fill, outline=edge)

    def dot(self, x: float, y: float, radius: float, ink: Ink) -> None:
        """A filled circle."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)

    def slice(self, box: tuple[float, float, float, float], start: float, end: float, ink: Ink) -> None:
        """A sector of the ellipse in a box, from `start` to `end` degrees clockwise from three o'clock."""
        self._draw.pieslice(box, start, end, fill=ink, outline=self.paper)

    def cropped(self, height: int) -> None:
        """Cut off what is below `height`."""
        self.picture = self.picture.crop((0, 0, self.picture.width, min(height, self.picture.height)))
        self._draw = ImageDraw.Draw(self.picture)


def scanned(sheet: Sheet, dice: random.Random, *, most_degrees: float = 1.5) -> Image.Image:
    """The page as a scanner returns it: a little crooked, softer, paler, with specks. 16 greys, as a palette."""
    grey = sheet.picture.convert("L")
    paper = sheet.paper if isinstance(sheet.paper, int) else sum(sheet.paper) // 3
    degrees = dice.uniform(-most_degrees, most_degrees)
    turned = grey.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=paper)
    soft = turned.filter(ImageFilter.GaussianBlur(dice.uniform(0.0, 0.55)))
    darkest, lightest = dice.randint(0, 60), dice.randint(225, 255)
    pale = soft.point([darkest + (lightest - darkest) * value // 255 for value in range(256)])
    for _ in range(pale.width * pale.height // dice.choice((2_500, 6_000, 40_000))):
        at = (dice.randrange(pale.width), dice.randrange(pale.height))
        pale.putpixel(at, dice.randint(darkest, lightest))
    if dice.random() < 0.25:  # a hair on the glass
        x, hair = dice.randrange(pale.width), Image.new("L", pale.size, 255)
        ImageDraw.Draw(hair).line([(x, 0), (x + dice.randint(-6, 6), pale.height)], fill=lightest - 45)
        pale = ImageChops.darker(pale, hair)
    return _in_greys(pale)


def as_screen(sheet: Sheet) -> Image.Image:
    """The page as a screen shows it: straight and clean, in its 16 most needed colours."""
    if sheet.picture.mode == "L":
        return _in_greys(sheet.picture)
    return sheet.picture.quantize(_GREYS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _in_greys(picture: Image.Image) -> Image.Image:
    step = 255 // (_GREYS - 1)
    levels = picture.point([(value + step // 2) // step for value in range(256)])
    page = Image.frombytes("P", levels.size, levels.tobytes())
    page.putpalette([level * step for level in range(_GREYS) for _ in range(3)])
    return page


def _own_font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
