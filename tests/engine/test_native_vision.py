"""The native picture encoder, packed from a checkpoint's eyes, against the plain one with the same weights."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from native_eyes import (
    CONFIGS,
    DTYPES,
    FORMATS,
    SMALL,
    Stored,
    as_torch,
    numbers_of,
    opened,
    parts_of,
    plain_rows,
    relative_error,
    rounded,
    tiles_for,
    tolerance,
)

from seatrial.engine.native_vision import open_native_vision
from seatrial.errors import CheckpointError
from seatrial.kernels import cpu

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
every_level = pytest.mark.parametrize("level", cpu.levels())
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@every_level
@every_dtype
@pytest.mark.parametrize("name", CONFIGS)
def test_rows_are_those_of_the_plain_encoder(name: str, dtype: str, level: str) -> None:
    config = CONFIGS[name]
    numbers, tiles = numbers_of(config), tiles_for(config, 2)
    expected = plain_rows(config, rounded(numbers, FORMATS[dtype]), tiles)
    found = opened(config, as_torch(numbers), dtype, level=level).encode(tiles)
    assert found.shape == (2, config.tokens_per_tile, config.text_hidden_size)
    assert relative_error(found, expected) < tolerance(level, dtype)
    assert relative_error(found[::-1], expected) > 0.1


@every_level
@every_dtype
@pytest.mark.parametrize("name", CONFIGS)
def test_a_tile_has_the_same_bits_in_any_batch_and_on_any_threads(name: str, dtype: str, level: str) -> None:
    config = CONFIGS[name]
    tensors, tiles = as_torch(numbers_of(config)), tiles_for(config, 5)
    alone = opened(config, tensors, dtype, level=level)
    expected = np.concatenate([alone.encode(tiles[at : at + 1]) for at in range(5)])
    for threads in (1, 2, 3):
        together = opened(config, tensors, dtype, level=level, threads=threads)
        np.testing.assert_array_equal(together.encode(tiles), expected)
        np.testing.assert_array_equal(together.encode(tiles[2:4]), expected[2:4])


@every_level
@every_dtype
def test_a_damaged_pixel_spoils_its_own_tile_alone(dtype: str, level: str) -> None:
    encoder, tiles = opened(SMALL, as_torch(numbers_of(SMALL)), dtype, level=level), tiles_for(SMALL, 3)
    expected = encoder.encode(tiles)
    for damage in (np.nan, np.inf):
        tiles[1, 2, 40, 7] = damage
        found = encoder.encode(tiles)
        assert np.isnan(found[1]).all()
        np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


def test_tiles_need_not_lie_in_order_in_memory() -> None:
    encoder, tiles = opened(SMALL, as_torch(numbers_of(SMALL)), "int8"), tiles_for(SMALL, 2)
    other = np.ascontiguousarray(tiles.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(encoder.encode(other), encoder.encode(tiles))


@pytest.mark.parametrize("name", list(CONFIGS)[:2])
@pytest.mark.parametrize("dtype", ["auto", "int4", "int8", "bfloat16"])
def test_blocks_of_a_file_go_in_as_they_are(name: str, dtype: str) -> None:
    config = CONFIGS[name]
    stored, tiles = Stored(numbers_of(config)), tiles_for(config, 2)
    found = opened(config, stored, dtype).encode(tiles)
    assert relative_error(found, plain_rows(config, stored, tiles)) < 2e-2
    assert {name for name in stored if stored.kind(name) != "F32" and "position" not in name} <= stored.released


# Kinds of a file's matrices by words of their names, the first that fits; the others are Q8_0.
MIXTURES = {
    "4 bits everywhere": {"": "Q4_0"},
    "the projection alone has 8 bits": {"connector": "Q8_0", "": "Q4_0"},
    "the projection alone has 4 bits": {"connector": "Q4_0"},
    "no two alike": {"k_proj": "Q8_0", "out_proj": "F16", "fc1": "Q4_1", "fc2": "Q8_0", "": "Q4_0"},
}


@every_level
@pytest.mark.parametrize("dtype", ["auto", "int4"])
@pytest.mark.parametrize("kinds", MIXTURES.values(), ids=MIXTURES)
def test_a_file_may_mix_formats(kinds: Mapping[str, str], dtype: str, level: str) -> None:
    """Inputs of 4-bit weights have 8 bits on every level, beside others in 16 where a level has those."""
    stored, tiles = Stored(numbers_of(SMALL), kinds), tiles_for(SMALL, 5)
    encoder = opened(SMALL, stored, dtype, level=level, threads=2)
    found = encoder.encode(tiles)
    assert relative_error(found, plain_rows(SMALL, stored, tiles)) < 2e-2
    np.testing.assert_array_equal(encoder.encode(tiles[3:]), found[3:])


def test_other_dtypes_are_left_to_pytorch() -> None:
    parts = parts_of(SMALL, as_torch(numbers_of(SMALL)))
    assert open_native_vision(parts, dtype="float32", threads=1) is None
    assert open_native_vision(parts, dtype="float16", threads=1) is None


def test_without_kernels_it_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "why_absent", lambda: "The native kernels are not built (no compiler).")
    assert open_native_vision(parts_of(SMALL, as_torch(numbers_of(SMALL))), dtype="auto", threads=1) is None


def test_weights_that_are_no_numbers_are_refused_by_name() -> None:
    tensors = as_torch(numbers_of(SMALL))
    tensors["vision_model.encoder.layers.1.mlp.fc2.weight"][3, 5] = torch.nan
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.fc2\.weight.*not finite"):
        open_native_vision(parts_of(SMALL, tensors), dtype="auto", threads=2)


def test_one_call_at_a_time() -> None:
    encoder, tiles = opened(SMALL, as_torch(numbers_of(SMALL)), "int8"), tiles_for(SMALL, 300)
    said: list[str] = []

    def encode() -> None:
        try:
            encoder.encode(tiles)
        except RuntimeError as error:
            said.append(str(error))

    threads = [threading.Thread(target=encode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another thread" in text for text in said)
    assert encoder.encode(tiles[:1]).shape == (1, 4, 96)
