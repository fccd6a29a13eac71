"""How much one picture or video may become, whatever a checkpoint asks for.

In: a `VisionConfig` and the `PictureRules` read beside it. Out: nothing, or an error that names the values, the limit
and the way out. Published models make 17 tiles of a picture and 64 frames of a video. Torch-free.
"""

from __future__ import annotations

from pathlib import Path

from seatrial.errors import CheckpointError
from seatrial.models.pictures.plan import most_tiles
from seatrial.models.vision_config import PictureRules, VisionConfig

Place = Path | str | None

MOST_TILES = 256
"""Tiles of a picture, and frames of a video, which are a tile each. Vocabularies have marks for 6 rows of 6 tiles."""

MOST_TILE_PIXELS = 1 << 26
"""Pixels of all tiles of a picture or video together: 256 tiles of 512 × 512, which are 0.8 GB in float32."""

MOST_ROWS = 1 << 16
"""Rows that a picture or video becomes, which are tokens of a prompt: half of the longest context of the family."""


def check_pictures(rules: PictureRules, config: VisionConfig, *, path: Place, field: str) -> None:
    """Raises CheckpointError, naming `field` of `path`, where some picture would become more than the bounds allow."""
    what = f"a longest edge of {rules.longest_edge:,} pixels in tiles of {rules.tile_edge:,}"
    way_out = "Lower the longest edge, or turn the splitting of pictures off."
    if not rules.splits:
        way_out = "Take a checkpoint of larger patches."
    _check(most_tiles(rules), "tiles", what, config, way_out, path, field)


def check_videos(rules: PictureRules, config: VisionConfig, *, path: Place, field: str) -> None:
    """The same of videos, whose frames are one tile each."""
    what = f"a video of up to {rules.video.max_frames:,} frames, each a tile of {rules.tile_edge:,} pixels,"
    way_out = "Lower the number of frames, or take a checkpoint of smaller tiles."
    _check(rules.video.max_frames, "frames", what, config, way_out, path, field)


def _check(num_tiles: int, kind: str, what: str, config: VisionConfig, way_out: str, path: Place, field: str) -> None:
    num_pixels, num_rows = num_tiles * config.image_size**2, num_tiles * config.tokens_per_tile
    problem = (
        f"{num_tiles:,} {kind}; at most {MOST_TILES:,} are computed"
        if num_tiles > MOST_TILES
        else f"{num_pixels:,} pixels; at most {MOST_TILE_PIXELS:,} are computed"
        if num_pixels > MOST_TILE_PIXELS
        else f"{num_rows:,} tokens, {config.tokens_per_tile:,} a tile; at most {MOST_ROWS:,} are computed"
        if num_rows > MOST_ROWS
        else None
    )
    if problem:
        raise CheckpointError(f"{what} makes up to {problem}. {way_out}", path=path, field=field)
