"""The native picture encoder by itself: its own small operations on every level, and what it refuses.

That its rows are those of the plain encoder is tested with what packs it, in tests/engine/test_native_vision.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.kernels import cpu
from seatrial.kernels.cpu.vision import Affine, Norm, VisionLayer, VisionTower, gelu, layer_norm, pack_padded

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
every_level = pytest.mark.parametrize("level", cpu.levels())


@dataclass(frozen=True)
class Shape:
    image_size: int = 24
    patch_size: int = 5
    hidden_size: int = 40
    intermediate_size: int = 50
    num_heads: int = 2
    norm_eps: float = 1e-6
    scale_factor: int = 2
    text_hidden_size: int = 24


def normal(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def affine(rows: int, columns: int, seed: int) -> Affine:
    weight = normal(rows, columns, seed=seed) * np.float32(columns**-0.5)
    return Affine(pack_padded([("F32", weight)], columns, "q8_0"), normal(rows, seed=seed + 1))


def norm(size: int) -> Norm:
    return Norm(np.ones(size, np.float32), np.zeros(size, np.float32))


def tower(shape: Shape, **changes: object) -> VisionTower:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    layer = VisionLayer(
        attention_norm=norm(hidden),
        qkv=affine(3 * hidden, hidden, 1),
        output=affine(hidden, hidden, 3),
        mlp_norm=norm(hidden),
        up=affine(inner, hidden, 5),
        down=affine(hidden, inner, 7),
    )
    parts = {
        "patch": affine(hidden, 3 * shape.patch_size**2, 9),
        "places": normal((shape.image_size // shape.patch_size) ** 2, hidden, seed=11),
        "layers": [layer],
        "norm": norm(hidden),
        "projection": affine(shape.text_hidden_size, hidden * shape.scale_factor**2, 13).weight,
        "threads": 1,
    }
    return VisionTower(shape, **parts | changes)  # type: ignore[arg-type]


@every_level
@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 700), scale=st.sampled_from([1e-3, 1.0, 1e3]), seed=st.integers(0, 99))
def test_layer_norm_of_any_length_is_right(level: str, size: int, scale: float, seed: int) -> None:
    x, weight, bias = (normal(size, seed=seed + at) for at in range(3))
    wide = (x := x * np.float32(scale)).astype(np.float64)
    exact = weight * (wide - wide.mean()) / np.sqrt(wide.var() + 1e-6) + bias
    np.testing.assert_allclose(layer_norm(level, x, weight, bias, 1e-6), exact, rtol=1e-5, atol=1e-5)


@every_level
def test_layer_norm_does_not_lose_a_small_spread_on_a_large_mean(level: str) -> None:
    x, ones, zeros = normal(1152, seed=1) + np.float32(100), np.ones(1152, np.float32), np.zeros(1152, np.float32)
    wide = x.astype(np.float64)
    exact = (wide - wide.mean()) / np.sqrt(wide.var() + 1e-6)
    np.testing.assert_allclose(layer_norm(level, x, ones, zeros, 1e-6), exact, atol=1e-4)


@every_level
@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 300), seed=st.integers(0, 99))
def test_gelu_of_any_length_is_right(level: str, size: int, seed: int) -> None:
    x, bias = normal(size, seed=seed) * np.float32(4), normal(size, seed=seed + 1)
    wide = (x + bias).astype(np.float64)
    exact = 0.5 * wide * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    np.testing.assert_allclose(gelu(level, x, bias), exact, rtol=1e-5, atol=1e-6)


@every_level
def test_gelu_far_out_neither_overflows_nor_loses_its_sign(level: str) -> None:
    x = np.array([-3e38, -1e20, -100, -20, 0, 20, 100, 1e20, 3e38], np.float32)
    out = gelu(level, x, np.zeros_like(x))
    np.testing.assert_allclose(out[4:], x[4:], rtol=1e-6)
    np.testing.assert_allclose(out[:4], 0, atol=10)
    assert (out[2:4] > -1e-6).all()


@every_level
def test_a_nan_goes_through_gelu_in_its_own_place_alone(level: str) -> None:
    x, bias = normal(41, seed=1), normal(41, seed=2)
    expected = gelu(level, x, bias)
    x[17] = np.nan
    out = gelu(level, x, bias)
    assert np.isnan(out[17])
    np.testing.assert_array_equal(np.delete(out, 17), np.delete(expected, 17))


def test_padding_adds_columns_of_zeros() -> None:
    weight = normal(7, 75, seed=1)
    packed = pack_padded([("F32", weight)], 75, "bf16")
    assert (packed.rows, packed.columns) == (7, 96)
    found = cpu.dequantise(packed)
    np.testing.assert_allclose(found[:, :75], weight, rtol=2**-8)
    np.testing.assert_array_equal(found[:, 75:], 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 39}, "39 numbers do not go into 2 equal heads"),
        ({"patch_size": 30}, "a patch fits its tile"),
        ({"scale_factor": 3}, "4 patches per side are not a multiple of the shuffle's 3"),
        ({"intermediate_size": 0}, "sizes above 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VisionTower(
            replace(Shape(), **changes), patch=affine(40, 75, 1), places=normal(16, 40, seed=0), layers=[],
            norm=norm(40), projection=affine(24, 160, 2).weight, threads=1,
        )  # fmt: skip


def test_parts_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"`patch` is 40 x 64; the configuration says 40 x 96"):
        tower(Shape(), patch=affine(40, 60, 1))
    with pytest.raises(ValueError, match=r"`places` has 600 numbers; the configuration says 640"):
        tower(Shape(), places=normal(15, 40, seed=0))
    with pytest.raises(ValueError, match=r"`norm` has 39 numbers; the configuration says 40"):
        tower(Shape(), norm=norm(39))
    with pytest.raises(ValueError, match="`threads` is 0"):
        tower(Shape(), threads=0)
    with pytest.raises(UsageError, match="possible here"):
        tower(Shape(), level="avx9")


def test_tiles_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[tiles, 3, 24, 24\]; these are \[2, 3, 24, 25\]"):
        tower(Shape()).encode(np.zeros((2, 3, 24, 25), np.float32))


def test_no_tiles_give_no_rows_and_a_closed_tower_says_so() -> None:
    encoder = tower(Shape())
    assert encoder.encode(np.zeros((0, 3, 24, 24), np.float32)).shape == (0, 4, 24)
    encoder.close()
    encoder.close()
    with pytest.raises(RuntimeError, match="closed"):
        encoder.encode(np.zeros((1, 3, 24, 24), np.float32))


def test_where_the_time_went_adds_up() -> None:
    encoder = tower(Shape())
    encoder.encode(normal(40, 3, 24, 24, seed=1))
    assert set(encoder.seconds) == {"products", "attention", "norms", "gelu", "moves"}
    assert all(0 < seconds < 10 for seconds in encoder.seconds.values())
