"""What a model's eyes are: the picture encoder's sizes, the connector's, and how pictures are prepared for them.

Values alone; `vision_reading` makes them of what a checkpoint says. Torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass

# `model_type` of the `config.json` of a model with eyes.
VISION_TYPES = ("smolvlm",)


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """SigLIP (Zhai et al. 2023, arXiv 2303.15343) and the connector behind it. Sizes are counts, edges in pixels.

    `scale_factor` is the pixel shuffle's: so many patches in either direction become one token (Marafioti et al. 2025,
    arXiv 2504.05299, section 2). `image_token_id` stands in a prompt wherever a row of a picture belongs.
    """

    image_size: int
    patch_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    norm_eps: float
    scale_factor: int
    text_hidden_size: int
    image_token_id: int

    @property
    def patches_per_side(self) -> int:
        """Patches along an edge of a tile; pixels beyond the last whole patch are not seen: 384 of 14 are 27."""
        return self.image_size // self.patch_size

    @property
    def tokens_per_tile(self) -> int:
        """Rows that one tile becomes: 384 / 14 with 3 gives 81, 512 / 16 with 4 gives 64."""
        return (self.patches_per_side // self.scale_factor) ** 2

    @property
    def head_dim(self) -> int:
        """Numbers per head."""
        return self.hidden_size // self.num_heads


@dataclass(frozen=True, slots=True)
class VideoRules:
    """How a video becomes pictures: frames per second, at most so many, each scaled to a longest edge in pixels."""

    fps: float
    max_frames: int
    longest_edge: int


@dataclass(frozen=True, slots=True)
class PictureRules:
    """How a picture becomes tiles. Edges in pixels; `mean` and `std` are of red, green and blue from 0 to 1.

    The longest edge of a picture is brought to `longest_edge`; `splits` says whether it is then cut into tiles of
    `tile_edge`, which is the encoder's `image_size`.
    """

    longest_edge: int
    tile_edge: int
    splits: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    video: VideoRules
