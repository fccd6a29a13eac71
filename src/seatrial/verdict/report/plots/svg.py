"""SVG as markup: escaped elements, a marker per candidate, and the frame that makes a drawing accessible."""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup, escape

CHAR_WIDTH = 6.6
"""Mean width of a character of the figures' bold 12-unit text; labels are placed by it."""

_SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "M-4.4-4.4h8.8v8.8h-8.8z",
    "M0-6L6 0L0 6L-6 0z",
    "M0-5.6L5.6 4.4H-5.6z",
    "M0 5.6L5.6-4.4H-5.6z",
    "M-5.5-2h3.5v-3.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5z",
    "M-5.6 0L-2.8-4.9H2.8L5.6 0L2.8 4.9H-2.8z",
    "M-5.5-5L0-1.5L5.5-5V1.5L0 5.5L-5.5 1.5z",
)


def element(tag: str, *children: Markup | str, **attributes: object) -> Markup:
    """An element, children and values escaped. `class_` reads `class`, other underscores `-`; floats keep a decimal."""
    shown = "".join(
        f' {_attribute(name)}="{_number(value) if isinstance(value, float) else escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{shown}>{''.join(map(escape, children))}</{tag}>")


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("path", d=f"M{_number(x1)} {_number(y1)}L{_number(x2)} {_number(y2)}", class_=class_)


def text(x: float, y: float, words: str, class_: str = "", anchor: str | None = None) -> Markup:
    """A line of text with its baseline at `y`; `anchor` is `middle` or `end`."""
    return element("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def marker(slot: int, x: float, y: float) -> Markup:
    """A candidate's marker, about 11 units wide."""
    return element("path", d=_shape(slot), class_=f"mark c{slot}", transform=f"translate({_number(x)} {_number(y)})")


def glyph(slot: int) -> Markup:
    """The marker alone, to stand beside a candidate's name in text; drawn by reference to `glyph_symbols`."""
    return Markup(f'<svg class="glyph c{slot}" aria-hidden="true"><use href="#m{slot}"/></svg>')


def glyph_symbols(slots: Iterable[int]) -> Markup:
    """What `glyph` refers to; once a page."""
    return Markup("\n").join(
        element("symbol", element("path", d=_shape(slot), class_="mark"), id=f"m{slot}", viewBox="-7 -7 14 14")
        for slot in slots
    )


def tip(words: str, *children: Markup) -> Markup:
    """A group that explains itself on hover."""
    return element("g", element("title", words), *children, class_="tip")


def drawing(id: str, title: str, description: str, width: float, height: float, *children: Markup) -> Markup:
    """The whole SVG as one image to a screen reader, with title and description."""
    return element(
        "svg",
        element("title", title, id=f"{id}-t"),
        element("desc", description, id=f"{id}-d"),
        *children,
        class_="plot",
        role="img",
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        aria_labelledby=f"{id}-t",
        aria_describedby=f"{id}-d",
    )


def text_width(words: str) -> float:
    """About how wide the words stand."""
    return CHAR_WIDTH * len(words)


def _shape(slot: int) -> str:
    return _SHAPES[(slot - 1) % len(_SHAPES)]


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if math.isfinite(value) else "0"
