"""RMS norm, SwiGLU and the rotary embedding on every level: right to float32, bound to their own row, NaN for NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seatrial.kernels import cpu

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
every_level = pytest.mark.parametrize("level", cpu.levels())
fast_levels = pytest.mark.parametrize("level", [level for level in cpu.levels() if level != "generic"])


def normal(*shape: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def swiglu(gate: NDArray[np.float32], up: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = gate.astype(np.float64)
    exact: NDArray[np.float64] = wide / (1 + np.exp(-wide)) * up
    return exact


@every_level
@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 700), scale=st.sampled_from([1e-3, 1.0, 1e3]), seed=st.integers(0, 99))
def test_rms_norm_of_any_length_is_right(level: str, size: int, scale: float, seed: int) -> None:
    x, weight = normal(size, seed=seed) * np.float32(scale), normal(size, seed=seed + 1)
    exact = weight * x.astype(np.float64) / np.sqrt(np.mean(x.astype(np.float64) ** 2) + 1e-5)
    np.testing.assert_allclose(cpu.rms_norm(level, x, weight, 1e-5), exact, rtol=2e-6, atol=1e-30)


@every_level
def test_rms_norm_of_zeros_is_zero_and_of_a_nan_is_nan(level: str) -> None:
    ones = np.ones(576, np.float32)
    np.testing.assert_array_equal(cpu.rms_norm(level, np.zeros(576, np.float32), ones, 1e-5), 0)
    x = ones.copy()
    x[100] = np.nan
    assert np.isnan(cpu.rms_norm(level, x, ones, 1e-5)).all()


@every_level
@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 300), seed=st.integers(0, 99))
def test_swiglu_of_any_length_is_right(level: str, size: int, seed: int) -> None:
    gate, up = normal(size, seed=seed) * np.float32(8), normal(size, seed=seed + 1)
    out = cpu.silu_mul(level, np.concatenate((gate, up)))
    np.testing.assert_allclose(out, swiglu(gate, up), rtol=6e-7, atol=1e-30)


@fast_levels
def test_the_exponential_keeps_its_accuracy_over_the_whole_range(level: str) -> None:
    gate = np.linspace(-86.5, 87, 200_003, dtype=np.float32)
    gate = gate[gate != 0]
    out = cpu.silu_mul(level, np.concatenate((gate, np.ones_like(gate))))
    # 2e-7 of the exponential, and one rounding each of 1 + e, the quotient and the product.
    np.testing.assert_allclose(out, swiglu(gate, np.ones_like(gate)), rtol=2e-7 + 3 * 2.0**-24)


@every_level
def test_a_nan_gate_spoils_its_own_place_alone(level: str) -> None:
    values = normal(96, seed=3)
    expected = cpu.silu_mul(level, values)
    values[17] = np.nan
    out = cpu.silu_mul(level, values)
    assert np.isnan(out[17])
    np.testing.assert_array_equal(np.delete(out, 17), np.delete(expected, 17))


@fast_levels
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 33])
def test_swiglu_gives_a_value_the_same_bits_in_every_lane(level: str, size: int) -> None:
    one = cpu.silu_mul(level, np.array([0.731, -1.25], np.float32))[0]
    many = cpu.silu_mul(level, np.repeat(np.array([0.731, -1.25], np.float32), size))
    np.testing.assert_array_equal(many, one)


@fast_levels
@settings(max_examples=30, deadline=None)
@given(heads=st.integers(1, 9), sixteens=st.integers(1, 8), seed=st.integers(0, 99))
def test_rope_gives_the_bits_of_its_definition(level: str, heads: int, sixteens: int, seed: int) -> None:
    x, angles = normal(heads, 16 * sixteens, seed=seed), normal(8 * sixteens, seed=seed + 1) * np.float32(3)
    cos, sin = np.cos(angles), np.sin(angles)
    low, high = np.split(x, 2, axis=1)
    expected = np.concatenate((low * cos - high * sin, high * cos + low * sin), axis=1)
    np.testing.assert_array_equal(cpu.rope(level, x, cos, sin), expected)
