"""Sizes, tiles and the text that stands for a picture: arithmetic, against transformers' own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers.models.smolvlm import image_processing_pil_smolvlm as published
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

from seatrial.models.pictures import placeholder, plan_tiles
from seatrial.models.pictures.plan import scaled_size
from seatrial.models.vision_config import PictureRules, VideoRules, VisionConfig

Eyes = tuple[VisionConfig, PictureRules]
EDGES = st.integers(1, 30_000)


def rules_of(longest_edge: int, tile_edge: int, *, splits: bool = True) -> PictureRules:
    half = (0.5, 0.5, 0.5)
    return PictureRules(longest_edge, tile_edge, splits, half, half, VideoRules(1.0, 64, tile_edge))


class _Shape:
    """Enough of an array for transformers' size functions: a shape."""

    def __init__(self, width: int, height: int) -> None:
        self.shape = (3, height, width)


class _SizesAlone(published.SmolVLMImageProcessorPil):
    """transformers' processor, with pictures that are shapes."""

    def resize(self, image, size, resample=None, **_):
        return _Shape(size.width, size.height)


@settings(max_examples=600, deadline=None)
@example(width=1, height=1429, longest_edge=1429, tile_edge=1)
@given(width=EDGES, height=EDGES, longest_edge=st.integers(1, 6000), tile_edge=st.integers(1, 700))
def test_sizes_are_the_published_ones(width: int, height: int, longest_edge: int, tile_edge: int) -> None:
    processor = _SizesAlone()
    published_height, published_width = published.get_resize_output_image_size(_Shape(width, height), longest_edge)
    assert scaled_size(width, height, longest_edge) == (published_width, published_height)

    plan = plan_tiles(width, height, rules_of(longest_edge, tile_edge))
    grid = processor.resize_for_vision_encoder(_Shape(published_width, published_height), tile_edge)
    # Of a side of one pixel, rounding may leave transformers none, and it fails; one tile is right.
    grid_height, grid_width = (side or tile_edge for side in grid.shape[1:])
    assert (plan.width, plan.height) == (grid_width, grid_height)
    split = grid_height > tile_edge or grid_width > tile_edge
    rows, columns = (grid_height // tile_edge, grid_width // tile_edge) if split else (0, 0)
    assert (plan.rows, plan.columns, plan.num_tiles) == (rows, columns, rows * columns + 1)


def test_a_page_is_three_rows_of_four_tiles_and_the_whole_view(large: Eyes) -> None:
    assert plan_tiles(1536, 1152, large[1]) == (1536, 1152, 3, 4, 13)


@pytest.mark.parametrize("size", [(1536, 1152), (1, 1), (20_000, 10)])
def test_little_detail_is_the_whole_view_alone(large: Eyes, size: tuple[int, int]) -> None:
    assert plan_tiles(*size, large[1], "low") == (384, 384, 0, 0, 1)


@pytest.mark.parametrize("detail", ["auto", "high"])
def test_rules_that_do_not_split_give_one_tile(detail: str) -> None:
    assert plan_tiles(3000, 2000, rules_of(1536, 384, splits=False), detail) == (384, 384, 0, 0, 1)


def test_a_picture_that_fits_one_tile_is_not_split() -> None:
    assert plan_tiles(500, 400, rules_of(64, 64)) == (64, 64, 0, 0, 1)


@pytest.mark.parametrize("size", [(1536, 1152), (100, 100), (20_000, 10), (10, 20_000), (640, 480)])
@pytest.mark.parametrize("detail", ["auto", "low"])
def test_the_text_is_the_published_one(small: Eyes, size: tuple[int, int], detail: str) -> None:
    plan = plan_tiles(*size, small[1], detail)
    tokens = small[0].tokens_per_tile
    processor = SimpleNamespace(
        image_seq_len=tokens,
        fake_image_token="<fake_token_around_image>",
        image_token="<image>",
        global_image_token="<global-img>",
    )
    text = placeholder(plan, tokens)
    said = {"rows": [[0, plan.rows]], "cols": [[0, plan.columns]]}
    assert text == SmolVLMProcessor.replace_image_token(processor, said, 1)
    assert text.count("<image>") == plan.num_tiles * tokens
