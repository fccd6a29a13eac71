"""Pictures of odd shapes, modes and formats become, bit for bit, what transformers' PIL processor makes of them."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from odd_pictures import ODD, deep_grey, encoded, odd, pgm16, png16, png_chunk, tiff_row
from PIL import Image, ImageOps
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from seatrial.models.pictures import open_picture, prepare_picture
from seatrial.models.vision_config import PictureRules, VisionConfig

Eyes = tuple[VisionConfig, PictureRules]


def published(picture: Image.Image, rules: PictureRules, *, splits: bool = True) -> Any:
    """What transformers' processor makes of a picture: its tiles, rows and columns."""
    processor = SmolVLMImageProcessorPil(
        size={"longest_edge": rules.longest_edge},
        max_image_size={"longest_edge": rules.tile_edge},
        do_image_splitting=splits,
        image_mean=list(rules.mean),
        image_std=list(rules.std),
        return_row_col_info=True,
    )
    return processor([[picture]], return_tensors="np")


def assert_equal(data: bytes, eyes: Eyes, *, detail: str = "auto") -> None:
    config, rules = eyes
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    theirs = published(upright, rules, splits=detail != "low")
    ours = prepare_picture(data, config, rules, detail)
    assert ours.tiles_NCHW.dtype == np.float32
    np.testing.assert_array_equal(ours.tiles_NCHW, theirs["pixel_values"][0])
    assert (ours.plan.rows, ours.plan.columns) == (theirs["rows"][0][0], theirs["cols"][0][0])
    assert ours.num_tokens == ours.text.count("<image>") == len(ours.tiles_NCHW) * config.tokens_per_tile


@pytest.mark.parametrize("name", ODD)
def test_tiles_are_the_published_ones(name: str, tiny_eyes: Eyes) -> None:
    assert_equal(odd(name), tiny_eyes)


@pytest.mark.parametrize("name", ["page", "one pixel", "ribbon", "palette with alphas", "EXIF 6", "CMYK JPEG"])
def test_tiles_are_the_published_ones_at_the_large_models_size(name: str, large: Eyes) -> None:
    assert_equal(odd(name), large)


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_tiles_are_the_published_ones_at_every_models_size(name: str, large: Eyes, small: Eyes) -> None:
    assert_equal(odd(name), large)
    assert_equal(odd(name), small)


@pytest.mark.parametrize("name", ["page", "ribbon", "one pixel", "alpha"])
def test_little_detail_is_what_is_published_without_splitting(name: str, large: Eyes) -> None:
    assert_equal(odd(name), large, detail="low")


def shallow() -> Image.Image:
    return Image.fromarray((deep_grey().astype(np.uint16) >> 8).astype(np.uint8))


DEEP = {
    "16-bit PNG": lambda: png16(deep_grey()),
    "16-bit PGM": lambda: pgm16(deep_grey(), 65535),
    "16-bit TIFF": lambda: encoded(Image.fromarray(deep_grey().astype(np.uint16)), "TIFF"),
    "32-bit TIFF": lambda: encoded(Image.fromarray(deep_grey().astype(np.int32)), "TIFF"),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_greyscale_keeps_its_upper_8_bits(name: str, tiny_eyes: Eyes) -> None:
    """transformers clips it to white; as 8 bits it says what the picture shows, and the rest is as published."""
    picture = open_picture(DEEP[name]())
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(shallow().convert("RGB")))
    ours = prepare_picture(DEEP[name](), *tiny_eyes).tiles_NCHW
    np.testing.assert_array_equal(ours, published(shallow(), tiny_eyes[1])["pixel_values"][0])


NEARLY_BLACK = np.array([[0, 100, 200, 255]])


@pytest.mark.parametrize(
    "data",
    [
        png16(NEARLY_BLACK),
        pgm16(NEARLY_BLACK, 65535),
        b"P2 4 1 65535\n0 100 200 255\n",
        encoded(Image.fromarray(NEARLY_BLACK.astype(np.uint16)), "TIFF"),
        tiff_row(NEARLY_BLACK.astype("<i2").tobytes(), 4, 16, is_signed=True),
    ],
    ids=["PNG", "PGM", "plain PGM", "TIFF", "signed TIFF"],
)
def test_equal_levels_of_16_bits_are_equal_in_any_file(data: bytes) -> None:
    assert not np.asarray(open_picture(data)).any()


def test_greyscale_of_other_depths_keeps_its_upper_8_bits() -> None:
    ten_bits = pgm16(np.array([[0, 512, 1023]]), 1023)
    assert np.asarray(open_picture(ten_bits))[0, :, 0].tolist() == [0, 128, 255]
    twelve_bits = tiff_row(bytes.fromhex("000010800fff"), 4, 12)
    assert np.asarray(open_picture(twelve_bits))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floating_point_greyscale_from_0_to_1_and_to_255() -> None:
    for most in (1.0, 255.0):
        levels = (deep_grey() / 65535 * most).astype(np.float32)
        grey = np.asarray(open_picture(encoded(Image.fromarray(levels), "TIFF")))[..., 0]
        assert abs(grey.astype(float) - deep_grey() / 257).max() <= 1


def test_floating_point_greyscale_with_no_numbers_in_it() -> None:
    levels = np.array([[np.nan, np.inf, -np.inf, 100.0]], np.float32)
    grey = np.asarray(open_picture(encoded(Image.fromarray(levels), "TIFF")))[..., 0]
    assert grey.tolist() == [[0, 255, 0, 100]]


def test_a_transparent_level_of_deep_greyscale_is_white() -> None:
    levels = np.full((4, 4), 1000)
    levels[0] = 40_000
    data = png16(levels, png_chunk(b"tRNS", (1000).to_bytes(2, "big")))
    grey = np.asarray(open_picture(data))[..., 0]
    assert grey[0].tolist() == [40_000 >> 8] * 4
    assert (grey[1:] == 255).all()


def test_equal_pictures_have_equal_keys_and_others_do_not(tiny_eyes: Eyes) -> None:
    page, other = odd("page"), odd("landscape")
    prepared = prepare_picture(page, *tiny_eyes)
    as_bitmap = encoded(open_picture(page), "BMP")
    assert prepare_picture(as_bitmap, *tiny_eyes) == prepared
    keys = {prepared.key, prepare_picture(other, *tiny_eyes).key, prepare_picture(page, *tiny_eyes, "low").key}
    assert len(keys) == 3


def test_threads_do_not_disturb_each_other(tiny_eyes: Eyes) -> None:
    names = ["landscape", "alpha", "EXIF 6", "animated GIF", "CMYK JPEG"] * 6
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda name: prepare_picture(odd(name), *tiny_eyes).key, names))
    assert at_once == [prepare_picture(odd(name), *tiny_eyes).key for name in names]
