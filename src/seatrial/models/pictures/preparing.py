"""One picture, ready for a prompt and for the encoder.

In: a file's bytes, the vision configuration and the rules of preparation. Out: a `PreparedPicture`: its text, its
tiles, and a key by which equal pictures are known.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seatrial.chat import Detail
from seatrial.models.pictures.opening import open_picture
from seatrial.models.pictures.plan import TilePlan, placeholder, plan_tiles
from seatrial.models.pictures.tiles import normalised, tile_pixels
from seatrial.models.vision_config import PictureRules, VisionConfig


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """A picture as the model sees it. Equal keys mean equal tiles.

    `key` is the SHA-256 of the tiles' pixels, their plan and how they are normalised. `text` stands for the picture in
    a prompt and holds `<image>` `num_tokens` times. `tiles_NCHW` is float32 [num_tiles, 3, edge, edge], the whole view
    last.
    """

    key: bytes
    plan: TilePlan
    text: str
    num_tokens: int
    tiles_NCHW: NDArray[np.float32] = field(compare=False, repr=False)


def prepare_picture(data: bytes, config: VisionConfig, rules: PictureRules, detail: Detail = "auto") -> PreparedPicture:
    """Prepare an encoded picture. Raises InputError as `open_picture` does."""
    picture = open_picture(data)
    plan = plan_tiles(*picture.size, rules, detail)
    return prepared(tile_pixels(picture, plan, rules), plan, config, rules)


def prepared(
    pixels_NHWC: NDArray[np.uint8], plan: TilePlan, config: VisionConfig, rules: PictureRules
) -> PreparedPicture:
    """Make a `PreparedPicture` of tiles that are cut already: uint8 [num_tiles, edge, edge, 3]."""
    assert rules.tile_edge == config.image_size
    return PreparedPicture(
        key=_key(pixels_NHWC, plan, rules),
        plan=plan,
        text=placeholder(plan, config.tokens_per_tile),
        num_tokens=plan.num_tiles * config.tokens_per_tile,
        tiles_NCHW=normalised(pixels_NHWC, rules),
    )


def _key(pixels_NHWC: NDArray[np.uint8], plan: TilePlan, rules: PictureRules) -> bytes:
    digest = hashlib.sha256(struct.pack("<6q6d", *plan, rules.tile_edge, *rules.mean, *rules.std))
    digest.update(np.ascontiguousarray(pixels_NHWC).data)
    return digest.digest()
