"""A picture's tiles as the encoder takes them.

In: an upright RGB picture and its `TilePlan`. Out: pixels from 0 to 255, and normalised numbers, bit for bit those of
transformers' `SmolVLMImageProcessorPil` (release 5.23): Lanczos to the longest edge, Lanczos to whole tiles, and
Lanczos from there to the whole view, each rounded to 8 bits.

Shapes: N tiles, C = 3 colours (red, green, blue), H = W = a tile's edge in pixels, V = 256 values a pixel can have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seatrial.models.pictures.plan import TilePlan, scaled_size
from seatrial.models.vision_config import PictureRules

if TYPE_CHECKING:
    from PIL import Image


def tile_pixels(picture: Image.Image, plan: TilePlan, rules: PictureRules) -> NDArray[np.uint8]:
    """Cut an upright RGB picture into its tiles, uint8 [N, H, W, 3]: row by row, the whole view last."""
    from PIL import Image

    filter_ = Image.Resampling.LANCZOS
    scaled = picture.resize(scaled_size(*picture.size, rules.longest_edge), filter_)
    grid = scaled.resize((plan.width, plan.height), filter_)
    edge = rules.tile_edge
    if not plan.rows:
        return np.asarray(grid)[None]
    pixels_NHWC = np.empty((plan.num_tiles, edge, edge, 3), np.uint8)
    cut = pixels_NHWC[:-1].reshape(plan.rows, plan.columns, edge, edge, 3)
    cut[:] = np.asarray(grid).reshape(plan.rows, edge, plan.columns, edge, 3).swapaxes(1, 2)
    pixels_NHWC[-1] = np.asarray(grid.resize((edge, edge), filter_))
    return pixels_NHWC


def normalised(pixels_NHWC: NDArray[np.uint8], rules: PictureRules) -> NDArray[np.float32]:
    """(value / 255 - mean) / std of every pixel, [N, 3, H, W], looked up among the 256 values there are."""
    num_tiles, height, width, _ = pixels_NHWC.shape
    tiles_NCHW = np.empty((num_tiles, 3, height, width), np.float32)
    for colour, values_V in enumerate(_values(rules)):
        for tile in range(num_tiles):
            np.take(values_V, pixels_NHWC[tile, :, :, colour], out=tiles_NCHW[tile, colour], mode="clip")
    return tiles_NCHW


def _values(rules: PictureRules) -> NDArray[np.float32]:
    """What each of the 256 values of a colour becomes, [3, V]: scaled in double precision, the rest in single."""
    scaled_V = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)
    mean_C, std_C = np.array(rules.mean, np.float32), np.array(rules.std, np.float32)
    values_CV: NDArray[np.float32] = (scaled_V[None, :] - mean_C[:, None]) / std_C[:, None]
    return values_CV
