"""How large a picture becomes, into how many tiles it is cut, and the text that stands for it: arithmetic alone.

In: a picture's width and height in pixels, and `PictureRules`. Out: a `TilePlan`, and from it the placeholder text.
The sizes are those of transformers' `SmolVLMImageProcessorPil` (release 5.23), to the pixel, so the order of the
floating-point operations is part of them; the text is that of its `SmolVLMProcessor`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from seatrial.chat import Detail
from seatrial.models.vision_config import PictureRules

# No picture is scaled beyond this, whatever a checkpoint asks for (transformers' MAX_IMAGE_SIZE).
_LARGEST_EDGE = 4096

_FAKE, _IMAGE, _WHOLE = "<fake_token_around_image>", "<image>", "<global-img>"


class TilePlan(NamedTuple):
    """What a picture becomes: `width` × `height` pixels, cut into `rows` × `columns` tiles, the whole view after them.

    A picture that is not split has `rows` = `columns` = 0, the size of one tile, and `num_tiles` = 1.
    """

    width: int
    height: int
    rows: int
    columns: int
    num_tiles: int


def plan_tiles(width: int, height: int, rules: PictureRules, detail: Detail = "auto") -> TilePlan:
    """Plan the tiles of an upright picture of `width` × `height` pixels.

    `low` looks at the whole view alone, `auto` and `high` as the rules say. 1536 × 1152 pixels under the rules of the
    2.2B model (longest edge 1536, tiles of 384) become 3 rows of 4 tiles and the whole view: 13.
    """
    edge = rules.tile_edge
    if rules.splits and detail != "low":
        grid_width, grid_height = _grid_size(*scaled_size(width, height, rules.longest_edge), edge)
        rows, columns = grid_height // edge, grid_width // edge
        if rows * columns > 1:
            return TilePlan(grid_width, grid_height, rows, columns, rows * columns + 1)
    return TilePlan(edge, edge, 0, 0, 1)


def most_tiles(rules: PictureRules) -> int:
    """How many tiles a picture can become at most: a square one, the edge that follows from the other made even.

    A longest edge of 1536 in tiles of 384 makes 17: 4 rows of 4, and the whole view.
    """
    across = math.ceil(min(_even(rules.longest_edge), _LARGEST_EDGE) / rules.tile_edge)
    return across**2 + 1 if rules.splits and across > 1 else 1


def scaled_size(width: int, height: int, longest_edge: int) -> tuple[int, int]:
    """Width and height once the longest edge is `longest_edge` pixels; the other, cut to whole pixels, is made even.

    3000 × 2001 at 1536 becomes 1536 × 1024; 20,000 × 10 becomes 1536 × 1.
    """
    assert width > 0 < height
    aspect = width / height
    if width >= height:
        width, height = longest_edge, _even(int(longest_edge / aspect))
    else:
        width, height = _even(int(longest_edge * aspect)), longest_edge
    return _bounded(max(width, 1), max(height, 1))


def placeholder(plan: TilePlan, tokens_per_tile: int) -> str:
    """Write the text that stands for a picture in a prompt: `<image>` once for every row of numbers it becomes."""
    rows = _IMAGE * tokens_per_tile
    whole = f"{_FAKE}{_WHOLE}{rows}{_FAKE}"
    if not plan.rows:
        return whole
    lines = (
        "".join(f"{_FAKE}<row_{row}_col_{column}>{rows}" for column in range(1, plan.columns + 1)) + "\n"
        for row in range(1, plan.rows + 1)
    )
    return f"{''.join(lines)}\n{whole}"


def _even(pixels: int) -> int:
    return pixels + pixels % 2


def _bounded(width: int, height: int) -> tuple[int, int]:
    """The size, scaled below the largest edge there is."""
    aspect = width / height
    if width >= height and width > _LARGEST_EDGE:
        width, height = _LARGEST_EDGE, int(_LARGEST_EDGE / aspect)
    elif height > width and height > _LARGEST_EDGE:
        width, height = int(_LARGEST_EDGE * aspect), _LARGEST_EDGE
    return max(width, 1), max(height, 1)


def _grid_size(width: int, height: int, edge: int) -> tuple[int, int]:
    """The size, stretched to whole tiles: the longer side first, the other from the aspect before it was stretched.

    No side is less than one tile, where transformers' rounding can lose a side of one pixel and then fails.
    """
    aspect = width / height
    if width >= height:
        width = _whole_tiles(width, edge)
        return width, _whole_tiles(int(width / aspect), edge)
    height = _whole_tiles(height, edge)
    return _whole_tiles(int(height * aspect), edge), height


def _whole_tiles(pixels: int, edge: int) -> int:
    return math.ceil(max(pixels, 1) / edge) * edge
