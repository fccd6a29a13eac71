"""Quantising and products of the fast levels: against the definition, and a token's bits whatever is beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kernels import cpu, reference

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
LEVELS = tuple(level for level in cpu.levels() if level != "generic")
FORMATS = ("q4_0", "q4_1", "q8_0", "bf16")
TILE = 64  # tokens that a level computes together at most
quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def normal(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def blocks(kind: str, codes: np.ndarray, scale: float, minimum: float = 0.0) -> np.ndarray:
    """GGUF blocks of a matrix with one scale; `codes` [rows, columns] as stored, Q8_0 signed."""
    groups = codes.reshape(len(codes), -1, 32)
    heads = [np.full((*groups.shape[:2], 1), value, np.float16) for value in (scale, minimum)]
    scales, minima = (head.view(np.uint8).reshape(*groups.shape[:2], 2) for head in heads)
    if kind == "Q8_0":
        parts = [scales, groups.astype(np.int8).view(np.uint8)]
    else:
        nibbles = (groups[..., :16] | groups[..., 16:] << 4).astype(np.uint8)
        parts = [scales, minima, nibbles] if kind == "Q4_1" else [scales, nibbles]
    return np.ascontiguousarray(np.concatenate(parts, axis=-1).reshape(len(codes), -1))


def within_rounding(level: str, weight: cpu.PackedWeight, x: np.ndarray) -> None:
    """Each sum is off by a few roundings of its largest terms, here 4e-7 of the sum of magnitudes."""
    matrix = cpu.dequantise(weight).astype(np.float64)
    inputs = x.astype(np.float64)
    if weight.format != "bf16":
        codes, scales, _ = cpu.quantise("generic", x)
        inputs = (codes * scales[..., None].astype(np.float64)).transpose(1, 0, 2).reshape(x.shape)
    bound = 4e-7 * (np.abs(inputs) @ (np.abs(matrix) + np.abs(matrix).max(axis=1, keepdims=True)).T) + 1e-30
    off = np.abs(cpu.matmul(level, weight, x) - inputs @ matrix.T)
    assert (off <= bound).all(), (off / bound).max()


@pytest.mark.parametrize("level", LEVELS)
@quick
@given(tokens=st.integers(1, 9), groups=st.integers(1, 5), exponent=st.integers(-45, 30), seed=seeds)
def test_quantise_gives_the_bits_of_the_portable_level(
    level: str, tokens: int, groups: int, exponent: int, seed: int
) -> None:
    x = normal(tokens, 32 * groups, seed=seed) * np.float32(10.0) ** exponent
    x[0, :32] = 0
    for ours, expected in zip(cpu.quantise(level, x), cpu.quantise("generic", x), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("level", LEVELS)
def test_quantise_rounds_halves_to_even_as_defined(level: str) -> None:
    x = np.zeros((1, 64), np.float32)
    x[0, :6] = [127, 0.5, 1.5, -2.5, -126.5, 63.5]
    x[0, 32:34] = [-254, 3]
    codes, scales, sums = cpu.quantise(level, x)
    assert codes[0, 0, :6].tolist() == [127, 0, 2, -2, -126, 64]
    assert codes[1, 0, :2].tolist() == [-127, 2]
    np.testing.assert_array_equal(scales[:, 0], [1, 2])
    np.testing.assert_array_equal(sums[:, 0], [65, -250])
    expected = reference.quantise(torch.from_numpy(x))
    np.testing.assert_array_equal(codes, expected.codes_GTJ.numpy())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("wrong", [np.nan, -np.nan, np.inf, -np.inf])
def test_a_group_with_a_value_that_is_no_number_has_no_scale(level: str, wrong: float) -> None:
    x = normal(2, 96, seed=1)
    x[1, 40] = wrong
    codes, scales, sums = cpu.quantise(level, x)
    assert np.isnan(scales[1, 1])
    assert np.isnan(sums[1, 1])
    assert not codes[1, 1].any()
    assert np.isnan(scales).sum() == np.isnan(sums).sum() == 1


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("format", FORMATS)
@quick
@given(
    rows=st.integers(1, 50),
    groups=st.integers(1, 9),
    tokens=st.integers(1, TILE + 40),
    size=st.floats(1e-3, 1e3),
    seed=seeds,
)
def test_a_product_is_what_its_codes_say(
    level: str, format: str, rows: int, groups: int, tokens: int, size: float, seed: int
) -> None:
    weight = cpu.pack([("F32", normal(rows, 32 * groups, seed=seed))], 32 * groups, format)
    within_rounding(level, weight, normal(tokens, 32 * groups, seed=seed + 1) * np.float32(size))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q8_0"])
@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 5, 16, 33])
def test_the_largest_codes_do_not_overflow(level: str, kind: str, tokens: int) -> None:
    """All weights and inputs at the ends of their ranges, signs alike and mixed; the sums are whole numbers."""
    low, high = (-128, 127) if kind == "Q8_0" else (0, 15)
    codes = np.full((20, 64), high, np.int64)
    codes[1] = low
    codes[2, ::2] = low
    codes[3, 32:] = low
    x = np.full((tokens, 64), 127, np.float32)
    x[1::3] = -127
    x[2::3, ::2] = -127
    weight = cpu.pack([(kind, blocks(kind, codes, 1.0, 2.0))], 64, kind.lower())
    values = codes + {"Q4_0": -8, "Q4_1": 2, "Q8_0": 0}[kind]
    np.testing.assert_array_equal(cpu.matmul(level, weight, x), x @ values.T.astype(np.float32))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=15, deadline=None)
@given(tokens=st.integers(2, 3 * TILE), rows=st.integers(1, 40), groups=st.integers(1, 6), seed=seeds, data=st.data())
def test_a_token_has_the_same_bits_in_any_batch(
    level: str, format: str, tokens: int, rows: int, groups: int, seed: int, data: st.DataObject
) -> None:
    weight = cpu.pack([("F32", normal(rows, 32 * groups, seed=seed))], 32 * groups, format)
    x = normal(tokens, 32 * groups, seed=seed + 1)
    together = cpu.matmul(level, weight, x)
    first = data.draw(st.integers(0, tokens - 1), label="first")
    last = data.draw(st.integers(first + 1, tokens), label="last")
    np.testing.assert_array_equal(cpu.matmul(level, weight, x[first:last]), together[first:last])
    np.testing.assert_array_equal(cpu.matmul(level, weight, x[first : first + 1]), together[first : first + 1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("format", FORMATS)
def test_infinite_and_missing_inputs_stay_in_their_row(level: str, format: str) -> None:
    weight = cpu.pack([("F32", normal(33, 64, seed=3))], 64, format)
    x = normal(2 * TILE + 3, 64, seed=4)
    expected = cpu.matmul(level, weight, x)
    x[70, 5], x[3, 60] = np.nan, np.inf
    got = cpu.matmul(level, weight, x)
    assert not np.isfinite(got[[3, 70]]).any()
    np.testing.assert_array_equal(np.delete(got, [3, 70], 0), np.delete(expected, [3, 70], 0))
