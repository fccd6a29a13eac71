"""Which levels there are, and what must hold on every one of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from seatrial.errors import NotRunnable, UsageError
from seatrial.kernels import cpu

built = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
FORMATS = ("q4_0", "q4_1", "q8_0", "bf16")


def normal(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@built
def test_the_portable_level_is_always_there_and_last() -> None:
    assert cpu.levels()[-1] == "generic"
    assert set(cpu.levels()) <= {"amx", "avx512", "avx2", "neon", "generic"}


@built
@pytest.mark.parametrize("name", ["avx9", "Generic", "neon" if sys.platform == "x86_64" else "sse"])
def test_an_impossible_level_is_refused_with_the_possible_ones(name: str) -> None:
    with pytest.raises(UsageError, match=f"`{name}` .*possible here: .*`generic`"):
        cpu.silu_mul(name, normal(32, seed=0))


@built
@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tokens", [1, 2, 5, 17, 64, 130])
def test_a_product_agrees_with_the_portable_one(level: str, format: str, tokens: int) -> None:
    weight = cpu.pack([("F32", normal(75, 192, seed=1))], 192, format)
    x = normal(tokens, 192, seed=2)
    expected = cpu.matmul("generic", weight, x)
    # int8 codes may differ by one where x / scale lies on the border between two: 1/127 of one input's share.
    np.testing.assert_allclose(cpu.matmul(level, weight, x), expected, atol=2e-2 * np.abs(expected).std())


@built
@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("format", FORMATS)
def test_a_token_gets_the_same_bits_whatever_is_beside_it(level: str, format: str) -> None:
    weight = cpu.pack([("F32", normal(75, 192, seed=1))], 192, format)
    x = normal(67, 192, seed=2)
    together = cpu.matmul(level, weight, x)
    for size in (1, 2, 3, 4, 7, 16, 33):
        parts = [cpu.matmul(level, weight, x[at : at + size]) for at in range(0, len(x), size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


@built
@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_damaged_input_is_seen_in_its_own_row_alone(level: str, format: str, wrong: float) -> None:
    weight = cpu.pack([("F32", normal(40, 96, seed=1))], 96, format)
    x = normal(9, 96, seed=2)
    expected = cpu.matmul(level, weight, x)
    x[4, 50] = wrong
    out = cpu.matmul(level, weight, x)
    assert not np.isfinite(out[4]).any()
    np.testing.assert_array_equal(np.delete(out, 4, 0), np.delete(expected, 4, 0))


@built
@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("cache", ["bf16", "int8"])
@pytest.mark.parametrize(("heads", "shared", "head_dim"), [(3, 3, 64), (4, 4, 128), (1, 1, 16), (2, 5, 80)])
def test_attention_is_the_same_alone_and_together(
    level: str, cache: str, heads: int, shared: int, head_dim: int
) -> None:
    lengths = (1, 15, 16, 17, 50, 130)
    width = -(-max(lengths) // 16)
    tables = np.random.default_rng(0).permutation(len(lengths) * width).astype(np.int32).reshape(-1, width)
    sequences = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    positions = np.concatenate([np.arange(length) for length in lengths]).astype(np.int32)
    store = cpu.attention_store(level, tables.size, heads, head_dim, cache=cache, fill=255)
    plain = cpu.attention_store("generic", tables.size, heads, head_dim, cache=cache)
    keys, values = (normal(len(positions), heads, head_dim, seed=seed) for seed in (1, 2))
    for each in (store, plain):
        each.store(keys, values, tables[sequences, positions // 16], positions % 16)
    q = normal(len(positions), heads * shared, head_dim, seed=3)
    together = store.attend(q, positions, sequences, tables)
    for token in range(len(positions)):
        one = slice(token, token + 1)
        np.testing.assert_array_equal(store.attend(q[one], positions[one], sequences[one], tables), together[one])
    expected = plain.attend(q, positions, sequences, tables)
    np.testing.assert_allclose(together, expected, atol=2e-3 if cache == "bf16" else 2e-2)


@built
@pytest.mark.parametrize("level", cpu.levels())
def test_the_small_operations_agree_with_the_portable_ones(level: str) -> None:
    for size in (16, 576, 1536, 2048):
        x, weight = normal(size, seed=size), normal(size, seed=1)
        close = {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(
            cpu.rms_norm(level, x, weight, 1e-5), cpu.rms_norm("generic", x, weight, 1e-5), **close
        )
        gates = x * np.float32(30)
        np.testing.assert_allclose(cpu.silu_mul(level, gates), cpu.silu_mul("generic", gates), **close)
        angles = normal(8, seed=3)
        rotated = (cpu.rope(each, x.reshape(-1, 16), np.cos(angles), np.sin(angles)) for each in (level, "generic"))
        np.testing.assert_allclose(*rotated, **close)


@built
@pytest.mark.parametrize("level", cpu.levels())
def test_silu_far_out_neither_overflows_nor_loses_its_sign(level: str) -> None:
    gates = np.array([-1e30, -200, -100, -88, 0, 88, 100, 200, 1e30] + [0.0] * 7, np.float32)
    out = cpu.silu_mul(level, np.concatenate((gates, np.ones_like(gates))))
    np.testing.assert_allclose(out[4:9], gates[4:9], rtol=1e-5)
    np.testing.assert_allclose(out[:4], 0, atol=1e-7)


@built
def test_arrays_that_do_not_fit_are_refused() -> None:
    weight = cpu.pack([("F32", normal(40, 96, seed=1))], 96, "q4_1")
    with pytest.raises(ValueError, match="rows of 64; the weight takes 96"):
        cpu.matmul("generic", weight, normal(2, 64, seed=0))
    with pytest.raises(TypeError):
        cpu.matmul("generic", weight, np.zeros((2, 96)))
    with pytest.raises(ValueError, match="multiple of 32"):
        cpu.quantise("generic", normal(2, 40, seed=0))
    store = cpu.attention_store("generic", 2, 2, 16)
    with pytest.raises(ValueError, match="out of range"):
        store.store(*[normal(1, 2, 16, seed=0)] * 2, np.array([2], np.int32), np.array([0], np.int32))
    with pytest.raises(ValueError, match="outside the cache"):
        store.attend(normal(1, 2, 16, seed=0), *np.zeros((2, 1), np.int32), np.array([[7]], np.int32))


@built
def test_read_bandwidth_is_a_plausible_number() -> None:
    assert 1e8 < cpu.read_bandwidth(1, megabytes=64) < 1e12
    with pytest.raises(ValueError, match="threads"):
        cpu.read_bandwidth(0)


def test_without_the_extension_the_package_says_so_and_names_the_way_out() -> None:
    script = (
        "import sys; sys.modules['seatrial.kernels.cpu._native'] = None\n"
        "from seatrial.errors import NotRunnable\n"
        "from seatrial.kernels import cpu\n"
        "assert cpu.levels() == ()\n"
        "print(cpu.why_absent())\n"
        "try: cpu.read_bandwidth(1)\n"
        "except NotRunnable as error: print(error.way_out)\n"
    )
    lines = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert all("compiler" in line and "PyTorch" in line for line in lines[:2])


@pytest.mark.skipif(cpu.why_absent() is None, reason="the native kernels are built")
def test_an_absent_extension_is_explained() -> None:
    with pytest.raises(NotRunnable, match="not built"):
        cpu.read_bandwidth(1)
