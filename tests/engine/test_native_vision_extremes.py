"""What is hard on 8 and 16 bits: odd sizes, attention that is very peaked or very flat, zeros, columns of unlike size.

The native encoder's rows against the plain one's with the same weights, on every level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from native_eyes import (
    DTYPES,
    FORMATS,
    SMALL,
    Numbers,
    as_torch,
    numbers_of,
    opened,
    plain_rows,
    relative_error,
    rounded,
    tiles_for,
    tolerance,
)

from seatrial.kernels import cpu
from seatrial.models.vision_config import VisionConfig

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
every_level = pytest.mark.parametrize("level", cpu.levels())
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
# 32 patches a side, as B/16 has, and heads of 24.
WIDE = replace(
    SMALL, image_size=128, patch_size=4, hidden_size=48, intermediate_size=64, num_layers=1, scale_factor=4
)  # fmt: skip
AT = "vision_model.encoder.layers.0."


def with_side(side: int, scale: int) -> VisionConfig:
    """Tiles of `side` by `side` patches."""
    return replace(WIDE, image_size=4 * side, num_layers=2, scale_factor=scale)


def error_of(config: VisionConfig, numbers: Numbers, tiles: np.ndarray, dtype: str, level: str) -> float:
    """The largest relative error of any tile."""
    expected = plain_rows(config, rounded(numbers, FORMATS[dtype]), tiles)
    found = opened(config, as_torch(numbers), dtype, level=level).encode(tiles)
    return max(relative_error(one, other) for one, other in zip(found, expected, strict=True))


@every_level
@every_dtype
@pytest.mark.parametrize("head", [8, 24, 40, 72, 88])
def test_heads_of_any_size(head: int, dtype: str, level: str) -> None:
    config = replace(with_side(9, 3), hidden_size=2 * head)
    assert error_of(config, numbers_of(config), tiles_for(config, 2), dtype, level) < tolerance(level, dtype)


@every_level
@every_dtype
@pytest.mark.parametrize(("side", "scale"), [(1, 1), (3, 1), (5, 5), (7, 7), (9, 3), (13, 1), (27, 3)])
def test_tiles_of_any_number_of_patches(side: int, scale: int, dtype: str, level: str) -> None:
    config = with_side(side, scale)
    numbers, tiles = numbers_of(config), tiles_for(config, 3)
    assert error_of(config, numbers, tiles, dtype, level) < tolerance(level, dtype)
    encoder = opened(config, as_torch(numbers), dtype, level=level, threads=2)
    np.testing.assert_array_equal(encoder.encode(tiles)[1], encoder.encode(tiles[1:2])[0])


def equal_keys(numbers: Numbers) -> None:
    numbers[f"{AT}self_attn.k_proj.weight"][:] = 0


def like_keys(numbers: Numbers) -> None:
    numbers[f"{AT}self_attn.k_proj.weight"] *= np.float32(0.02)


def sharp_keys(numbers: Numbers) -> None:
    """Every query finds a few keys of its own."""
    numbers[f"{AT}self_attn.k_proj.weight"] *= np.float32(4)


def one_key(numbers: Numbers) -> None:
    """All queries find patch 500: its place lies far out along a direction that keys look for and norms leave alone."""
    direction = np.where(np.arange(WIDE.hidden_size) % 2, 1, -1).astype(np.float32)
    numbers["vision_model.embeddings.position_embedding.weight"][500] += 100 * direction
    keys, queries = numbers[f"{AT}self_attn.k_proj.weight"], numbers[f"{AT}self_attn.q_proj.weight"]
    keys += direction / np.float32(WIDE.hidden_size**0.5)
    queries *= np.float32(0.1)
    numbers[f"{AT}self_attn.q_proj.bias"][:] = 2.5


ATTENTION: dict[str, tuple[Callable[[Numbers], None], float, float]] = {
    "all keys are equal": (equal_keys, 1 / 1024, 1 / 1024),
    "all keys are nearly alike": (like_keys, 1 / 1024, 2 / 1024),
    "a few keys for each query": (sharp_keys, 0.3, 1),
    "one key for all": (one_key, 0.999, 1),
}


@every_level
@every_dtype
@pytest.mark.parametrize("name", ATTENTION)
def test_attention_peaked_and_flat(name: str, dtype: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 1,024 patches, and weighing as much as all the rest. A thousand equal weights have 8 bits each on AVX2."""
    change, least, most = ATTENTION[name]
    numbers, tiles = numbers_of(WIDE), tiles_for(WIDE, 1)
    change(numbers)
    largest: list[float] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def watched(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        largest.append(float((q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).amax(-1).median()))
        out = attend(q, k, v)
        numbers[f"{AT}self_attn.out_proj.weight"] /= np.float32(out.std())
        return out

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    plain_rows(WIDE, as_torch(numbers), tiles)
    monkeypatch.undo()
    assert least * 0.999 <= largest[0] <= most * 1.001
    assert error_of(WIDE, numbers, tiles, dtype, level) < tolerance(level, dtype)


@every_level
@every_dtype
def test_zeros_everywhere(dtype: str, level: str) -> None:
    config = with_side(9, 3)
    numbers, tiles = numbers_of(config), tiles_for(config, 2)
    tiles[1] = 0
    assert error_of(config, numbers, tiles, dtype, level) < tolerance(level, dtype)
    for name, array in numbers.items():
        if name.endswith("bias") or "position" in name:
            array[:] = 0
    found = opened(config, as_torch(numbers), dtype, level=level).encode(tiles)
    assert np.linalg.norm(found[0]) > 1
    np.testing.assert_array_equal(found[1], 0)


def unlike(size: int) -> np.ndarray:
    """1e3 and 1e-3 in turn."""
    return np.where(np.arange(size) % 2, 1e3, 1e-3).astype(np.float32)


@every_level
@every_dtype
@pytest.mark.parametrize("where", ["values of attention", "inputs of the MLP"])
def test_columns_of_very_different_sizes(where: str, dtype: str, level: str) -> None:
    """The large ones decide: 8-bit weights of two sizes in one group would lose the small ones in any case."""
    config = with_side(9, 3)
    numbers, tiles = numbers_of(config), tiles_for(config, 2)
    sizes = unlike(config.hidden_size)
    if where == "values of attention":
        numbers[f"{AT}self_attn.v_proj.weight"] *= sizes[:, None]
        numbers[f"{AT}self_attn.v_proj.bias"] *= sizes
        numbers[f"{AT}self_attn.out_proj.weight"] *= np.float32(1e-3)
    else:
        numbers[f"{AT}layer_norm2.weight"] *= sizes
        numbers[f"{AT}layer_norm2.bias"] *= sizes
        numbers[f"{AT}mlp.fc1.weight"] *= np.float32(1e-3)
    assert error_of(config, numbers, tiles, dtype, level) < tolerance(level, dtype)


@every_level
def test_values_of_very_different_sizes_count_alike_where_the_next_matrix_says_so(level: str) -> None:
    """Each column of the values has a scale of its own, and bfloat16 weights take floats."""
    config = with_side(9, 3)
    numbers, tiles = numbers_of(config), tiles_for(config, 2)
    sizes = unlike(config.hidden_size)
    numbers[f"{AT}self_attn.v_proj.weight"] *= sizes[:, None]
    numbers[f"{AT}self_attn.v_proj.bias"] *= sizes
    numbers[f"{AT}self_attn.out_proj.weight"] /= sizes
    assert error_of(config, numbers, tiles, "bfloat16", level) < tolerance(level, "bfloat16")


@every_level
def test_one_input_a_hundred_times_as_large_as_the_others(level: str) -> None:
    """Inputs in 16 bits have one scale for a row, bytes have one for 32 columns: either way its neighbours lose digits.

    Weights make up for it, so that all count alike: the worst that an encoder can ask for.
    """
    config = with_side(9, 3)
    numbers, tiles = numbers_of(config), tiles_for(config, 2)
    for name in ("layer_norm2.weight", "layer_norm2.bias"):
        numbers[AT + name][5] *= 100
    numbers[f"{AT}mlp.fc1.weight"][:, 5] /= 100
    assert error_of(config, numbers, tiles, "int8", level) < (5e-4 if level == "avx2" else 6e-2)
