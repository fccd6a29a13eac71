"""Rules that would make absurdly much of a picture or a video are refused; whatever is accepted keeps to the bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from seatrial.errors import CheckpointError
from seatrial.models.pictures import placeholder, plan_tiles
from seatrial.models.pictures.plan import most_tiles
from seatrial.models.vision_bounds import MOST_ROWS, MOST_TILE_PIXELS, MOST_TILES
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig
from seatrial.models.vision_reading import picture_rules_from_hf, vision_from_gguf

EDGES = st.integers(1, 30_000)
FOLDER = Path("model")
FILE = "preprocessor_config.json"


def config_of(image_size: int, patch_size: int = 1, scale_factor: int = 1) -> VisionConfig:
    return VisionConfig(image_size, patch_size, 64, 128, 1, 4, 1e-6, scale_factor, 64, 7)


def rules_of(config: VisionConfig, longest_edge: int | None = None, **said: Any) -> PictureRules:
    size = {} if longest_edge is None else {"size": {"longest_edge": longest_edge}}
    return picture_rules_from_hf({FILE: {**size, **said}}, config, folder=FOLDER)


@settings(max_examples=400, deadline=None)
@example(width=1430, height=1429, longest_edge=4095, tile_edge=273, splits=True)
@example(width=4096, height=4096, longest_edge=8192, tile_edge=274, splits=True)
@given(
    width=EDGES,
    height=EDGES,
    longest_edge=st.integers(1, 8192),
    tile_edge=st.one_of(st.integers(1, 2048), st.integers(200, 600)),
    splits=st.booleans(),
)
def test_no_picture_becomes_more_tiles_than_the_bound(
    width: int, height: int, longest_edge: int, tile_edge: int, splits: bool
) -> None:
    config = config_of(tile_edge, tile_edge)
    try:
        rules = rules_of(config, longest_edge, do_image_splitting=splits)
    except CheckpointError:
        assume(False)
        raise
    plan = plan_tiles(width, height, rules)
    assert plan.num_tiles <= most_tiles(rules) <= MOST_TILES
    assert plan.num_tiles * tile_edge**2 <= MOST_TILE_PIXELS
    if longest_edge % 2 == 0:
        assert plan_tiles(longest_edge, longest_edge, rules).num_tiles == most_tiles(rules)


@settings(max_examples=400, deadline=None)
@example(width=1, height=1429, longest_edge=1429, tile_edge=1)
@given(width=EDGES, height=EDGES, longest_edge=st.integers(1, 8192), tile_edge=st.integers(1, 2048))
def test_the_most_tiles_are_never_passed(width: int, height: int, longest_edge: int, tile_edge: int) -> None:
    """The arithmetic alone, also of rules that are refused."""
    rules = PictureRules(longest_edge, tile_edge, True, (0.5,) * 3, (0.5,) * 3, VideoRules(1.0, 64, tile_edge))
    assert plan_tiles(width, height, rules).num_tiles <= most_tiles(rules)


@settings(max_examples=100, deadline=None)
@given(sides=st.integers(1, 64), patch=st.integers(1, 32), scale=st.integers(1, 4), longest_edge=st.integers(1, 8192))
def test_no_text_of_a_picture_passes_the_bound(sides: int, patch: int, scale: int, longest_edge: int) -> None:
    config = config_of(sides * scale * patch, patch, scale)
    assume(config.image_size <= 2048)
    try:
        rules = rules_of(config, longest_edge)
    except CheckpointError:
        assume(False)
        raise
    plan = plan_tiles(4096, 4096, rules)
    assert placeholder(plan, config.tokens_per_tile).count("<image>") <= MOST_ROWS


@pytest.mark.parametrize(("image_size", "longest_edge"), [(384, 1536), (512, 2048), (384, 4096), (512, 8192)])
def test_the_published_rules_and_larger_ones_are_accepted(image_size: int, longest_edge: int) -> None:
    config = config_of(image_size, image_size // 8)
    assert rules_of(config, longest_edge).longest_edge == longest_edge


@pytest.mark.parametrize(
    ("config", "said", "field", "reason"),
    [
        (config_of(1), {"size": {"longest_edge": 4096}}, "size", "4,096 pixels in tiles of 1 .*16,777,217 tiles.* 256"),
        (config_of(16, 16), {"size": {"longest_edge": 2048}}, "size", "16,385 tiles; at most 256 .*splitting"),
        (config_of(1024), {}, "size", "17,825,792 tokens, 1,048,576 a tile; at most 65,536"),
        (config_of(1024), {"do_image_splitting": False}, "size", "makes up to 1,048,576 tokens"),
        (config_of(64, 16), {"num_frames": 4096}, "max_frames", "4,096 frames; at most 256 .*number of frames"),
        (config_of(1024, 64), {"num_frames": 65}, "max_frames", "68,157,440 pixels; at most 67,108,864"),
    ],
)
def test_what_is_refused_names_values_limit_and_way_out(
    config: VisionConfig, said: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(CheckpointError, match=reason) as caught:
        rules_of(config, **said)
    assert caught.value.field == field
    assert str(caught.value).startswith("model/preprocessor_config.json")


def test_rules_for_videos_are_refused_in_their_own_file() -> None:
    files = {FILE: {}, "video_preprocessor_config.json": {"video_sampling": {"max_frames": 1000}}}
    with pytest.raises(CheckpointError, match=r"^model/video_preprocessor_config\.json.*1,000 frames"):
        picture_rules_from_hf(files, config_of(64, 16), folder=FOLDER)


def test_an_mmproj_file_is_held_to_the_same() -> None:
    at = "clip.vision."
    metadata: dict[str, Any] = {
        "general.architecture": "clip",
        "clip.projector_type": "idefics3",
        "clip.use_gelu": True,
        f"{at}image_size": 8,
        f"{at}patch_size": 4,
        f"{at}embedding_length": 64,
        f"{at}feed_forward_length": 128,
        f"{at}block_count": 1,
        f"{at}attention.head_count": 4,
        f"{at}attention.layer_norm_epsilon": 1e-6,
        f"{at}projector.scale_factor": 2,
        f"{at}projection_dim": 64,
    }
    assert vision_from_gguf(metadata, image_token_id=7)[1].longest_edge == 32
    with pytest.raises(CheckpointError, match="2,048 pixels in tiles of 8 makes up to 65,537 tiles") as caught:
        vision_from_gguf({**metadata, f"{at}preproc_image_size": 2048}, image_token_id=7, path="mmproj.gguf")
    assert caught.value.field == f"{at}preproc_image_size"
