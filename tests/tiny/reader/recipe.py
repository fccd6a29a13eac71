"""How a reader is made: what it reads, how large it is, and how long it is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from .drawing import Layout

UNSEEN = 1_000_000  # seeds from here on are never trained on


@dataclass(frozen=True, slots=True)
class Size:
    """The widths and depths of a model of SmolVLM's architecture."""

    patch: int = 8
    scale_factor: int = 2
    vision_hidden: int = 64
    vision_inner: int = 128
    vision_layers: int = 3
    vision_heads: int = 2
    text_hidden: int = 96
    text_inner: int = 192
    text_layers: int = 3
    text_heads: int = 3
    text_kv_heads: int = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """`steps` of `batch`, the rate of learning rising to `rate` and falling along a cosine."""

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """`tiles` teach the encoder characters, `sheets` the decoder to find totals, `receipts` both together.

    `num_pictures` are drawn, `num_sheets` typeset without drawing. `promise`: the share of unseen receipts to be read.
    """

    name: str
    tiles: Stage
    sheets: Stage
    receipts: Stage
    num_pictures: int
    num_sheets: int
    promise: float
    layout: Layout = field(default_factory=Layout)
    size: Size = field(default_factory=Size)
    seed: int = 7


READER = Recipe(
    "reader",
    tiles=Stage(2000, 96, 3e-3),
    sheets=Stage(1000, 48, 2e-3),
    receipts=Stage(1100, 32, 1e-3),
    num_pictures=8_000,
    num_sheets=20_000,
    promise=0.95,
)
SMALL = Recipe(
    "small-reader",
    tiles=Stage(220, 64, 3e-3),
    sheets=Stage(340, 32, 3e-3),
    receipts=Stage(150, 32, 1e-3),
    num_pictures=600,
    num_sheets=8_000,
    promise=0.95,
    layout=Layout(rows=1, fonts=(), sizes=(13.0,), scales=(1.0, 2.0), most_goods=0, noise=2.0, jitter=0.0),
)
