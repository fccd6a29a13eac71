"""The portable level against the plain PyTorch definitions, kernel by kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kernels import cpu, reference

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
LEVEL = "generic"
quick = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 999)


def normal(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@quick
@given(tokens=st.integers(1, 20), groups=st.integers(1, 6), scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e30]), seed=seeds)
def test_quantise(tokens: int, groups: int, scale: float, seed: int) -> None:
    x = normal(tokens, groups * 32, seed=seed) * np.float32(scale)
    x[0, :32] = 0
    codes, scales, sums = cpu.quantise(LEVEL, x)
    expected = reference.quantise(torch.from_numpy(x))
    np.testing.assert_array_equal(codes, expected.codes_GTJ.numpy())
    np.testing.assert_array_equal(scales, expected.scales_GT.numpy())
    np.testing.assert_allclose(sums, expected.sums_GT.numpy(), rtol=1e-6)


@pytest.mark.parametrize("format", ["q4_0", "q4_1", "q8_0", "bf16"])
@quick
@given(tokens=st.integers(1, 20), rows=st.integers(1, 40), groups=st.integers(1, 6), seed=seeds)
def test_matmul(format: str, tokens: int, rows: int, groups: int, seed: int) -> None:
    weight = cpu.pack([("F32", normal(rows, groups * 32, seed=seed))], groups * 32, format)
    x = normal(tokens, groups * 32, seed=seed + 1)
    exact = reference.matmul(
        torch.from_numpy(cpu.dequantise(weight)), torch.from_numpy(x), integer=format != "bf16"
    ).numpy()
    # Sums of up to 192 products in float32.
    np.testing.assert_allclose(cpu.matmul(LEVEL, weight, x), exact, atol=1e-5 * np.abs(exact).max() + 1e-6)


@quick
@given(size=st.integers(1, 300), scale=st.sampled_from([1e-4, 1.0, 1e4]), seed=seeds)
def test_rms_norm(size: int, scale: float, seed: int) -> None:
    x, weight = normal(size, seed=seed) * np.float32(scale), normal(size, seed=seed + 1)
    expected = reference.rms_norm(torch.from_numpy(x)[None], torch.from_numpy(weight), 1e-5)[0].numpy()
    np.testing.assert_allclose(cpu.rms_norm(LEVEL, x, weight, 1e-5), expected, rtol=1e-5, atol=1e-6)


@quick
@given(size=st.integers(1, 300), scale=st.sampled_from([0.1, 5.0, 100.0]), seed=seeds)
def test_silu_mul(size: int, scale: float, seed: int) -> None:
    x = normal(2 * size, seed=seed) * np.float32(scale)
    expected = reference.silu_mul(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_allclose(cpu.silu_mul(LEVEL, x), expected, rtol=1e-5, atol=1e-6)


@quick
@given(heads=st.integers(1, 5), half=st.sampled_from([8, 32, 64]), position=st.integers(0, 100_000), seed=seeds)
def test_rope(heads: int, half: int, position: int, seed: int) -> None:
    x, angles = normal(heads, 2 * half, seed=seed), position * np.float32(0.01) ** np.linspace(0, 1, half)
    cosines, sines = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    expected = reference.rope(torch.from_numpy(x), torch.from_numpy(cosines), torch.from_numpy(sines)).numpy()
    np.testing.assert_allclose(cpu.rope(LEVEL, x, cosines, sines), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cache", ["bf16", "int8"])
@quick
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=3),
    heads=st.integers(1, 3),
    shared=st.sampled_from([1, 3, 4]),
    head_dim=st.sampled_from([16, 64, 128]),
    seed=seeds,
)
def test_attention(cache: str, lengths: list[int], heads: int, shared: int, head_dim: int, seed: int) -> None:
    """Sequences over scattered blocks; what is not written holds NaNs, which nobody may see."""
    rng = np.random.default_rng(seed)
    width = -(-max(lengths) // 16)
    tables = rng.permutation(len(lengths) * width).astype(np.int32).reshape(len(lengths), width)
    sequences = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    positions = np.concatenate([np.arange(length) for length in lengths]).astype(np.int32)
    blocks, slots = tables[sequences, positions // 16], positions % 16
    keys, values = (normal(len(positions), heads, head_dim, seed=seed + i) for i in (1, 2))
    q = normal(len(positions), heads * shared, head_dim, seed=seed + 3)
    store = cpu.attention_store(LEVEL, tables.size, heads, head_dim, cache=cache, fill=255)
    store.store(keys, values, blocks, slots)
    expected = reference.empty_cache(tables.size, heads, head_dim)
    t = torch.from_numpy
    reference.store_kv(expected, t(keys), t(values), t(blocks), t(slots), cache)
    exact = reference.attend(expected, t(q), t(positions), t(sequences), t(tables)).numpy()
    np.testing.assert_allclose(store.attend(q, positions, sequences, tables), exact, rtol=1e-4, atol=1e-5)
