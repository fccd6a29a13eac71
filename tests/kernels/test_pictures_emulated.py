"""What AMX has for pictures on any x86-64 machine: its products and attention of bf16, against emulated instructions.

As in `test_linear_emulated.py`, whose emulation this uses; the tiles fault where the manual has a fault.
"""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kernels import cpu

HERE = Path(__file__).parent / "emulated"
NATIVE = Path(cpu.__file__).parent / "native"
COMPILER = shutil.which("g++") or shutil.which("clang++")
FORMATS = ("q8_0", "bf16")

pytestmark = [
    pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built, which pack the weights"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the machine is not an x86-64 one"),
]

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if not Path("/usr/include/simde/x86/avx512.h").exists():
        pytest.skip("SIMDe is not installed (Debian: libsimde-dev)")
    target = tmp_path_factory.mktemp("emulated") / "pictures.so"
    flags = ["-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-ffp-contract=off", "-DWIDTH=16"]
    sources = ["-include", HERE / "vectors.h", f"-I{NATIVE}", HERE / "pictures.cpp", "-o", target]
    subprocess.run([str(COMPILER), *flags, *sources], check=True, timeout=120)
    built = ctypes.CDLL(str(target))
    built.attend_tile_scratch.restype = ctypes.c_size_t
    return built


def normal(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def in_bf16(x: np.ndarray) -> np.ndarray:
    """To the nearest bf16, ties to even, as float64."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32).astype(np.float64)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def aligned(size: int) -> np.ndarray:
    """Zeros at a multiple of 64 bytes."""
    room = np.zeros(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size]


def packed(rows: int, columns: int, format: str, seed: int) -> cpu.PackedWeight:
    return cpu.pack([("F32", normal(rows, columns, seed=seed))], columns, format)


def matmul(library: ctypes.CDLL, weight: cpu.PackedWeight, x: np.ndarray, panels: slice | None = None) -> np.ndarray:
    """y [T, rows + 3], minus ones where nothing was written. `panels` in units of 16 rows, all when None."""
    tokens, columns = x.shape
    data = cpu.packed_bytes(weight).reshape(-1)
    lying = aligned(data.size)
    lying[:] = data
    codes, scales = np.zeros((columns // 32, tokens, 32), np.int16), np.zeros(tokens, np.float32)
    y = np.full((tokens, weight.rows + 3), -1, np.float32)
    part = panels or slice(0, -(-weight.rows // 16))
    library.matmul_fine(
        weight.format == "bf16", weight.rows, pointer(lying), part.start, part.stop,
        pointer(x), tokens, columns, *map(pointer, (codes, scales, y)), y.shape[1],
    )  # fmt: skip
    return y


def attend(library: ctypes.CDLL, qkv: np.ndarray, biases: np.ndarray, head: int) -> np.ndarray:
    """qkv [T, 3, wide] with biases [3, wide] to [T, wide], minus ones past the first `head`."""
    tokens, _, wide = qkv.shape
    out = np.full((tokens, wide), -1, np.float32)
    scratch = aligned(library.attend_tile_scratch(tokens, head))
    library.attend_tile(tokens, head, wide, *map(pointer, (qkv, biases, out, scratch)))
    return out


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=12, deadline=None)
@given(rows=st.integers(1, 70), groups=st.integers(1, 40), tokens=st.integers(1, 70), seed=seeds)
def test_a_product_is_that_of_rounded_numbers(
    library: ctypes.CDLL, format: str, rows: int, groups: int, tokens: int, seed: int
) -> None:
    weight, x = packed(rows, 32 * groups, format, seed), normal(tokens, 32 * groups, seed=seed + 1)
    matrix, inputs = in_bf16(cpu.dequantise(weight)), in_bf16(x)
    y = matmul(library, weight, x)
    assert (np.abs(y[:, :rows] - inputs @ matrix.T) <= 4e-6 * (np.abs(inputs) @ np.abs(matrix).T) + 1e-30).all()
    assert (y[:, rows:] == -1).all()


@pytest.mark.parametrize("format", FORMATS)
def test_a_token_has_the_same_bits_in_any_batch(library: ctypes.CDLL, format: str) -> None:
    weight, x = packed(37, 1120, format, 1), normal(67, 1120, seed=2)
    together = matmul(library, weight, x)
    for size in (1, 15, 32, 33):
        parts = [matmul(library, weight, np.ascontiguousarray(x[at : at + size])) for at in range(0, len(x), size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("panels", [slice(0, 1), slice(1, 3), slice(1, 4)])
def test_only_the_panels_that_were_asked_for_are_written(library: ctypes.CDLL, format: str, panels: slice) -> None:
    weight, x = packed(61, 576, format, 3), normal(40, 576, seed=4)
    part, whole = matmul(library, weight, x, panels), matmul(library, weight, x)
    first, last = 16 * panels.start, min(16 * panels.stop, 61)
    np.testing.assert_array_equal(part[:, first:last], whole[:, first:last])
    assert (np.delete(part, np.s_[first:last], axis=1) == -1).all()


@pytest.mark.parametrize("format", FORMATS)
def test_infinite_and_missing_inputs_stay_in_their_row(library: ctypes.CDLL, format: str) -> None:
    weight, x = packed(18, 64, format, 5), normal(35, 64, seed=6)
    expected = matmul(library, weight, x)
    x[0, 5], x[33, 40] = np.nan, -np.inf
    got = matmul(library, weight, x)
    assert not np.isfinite(got[[0, 33], :18]).any()
    np.testing.assert_array_equal(np.delete(got, [0, 33], 0), np.delete(expected, [0, 33], 0))


@settings(max_examples=15, deadline=None)
@given(tokens=st.integers(1, 110), head=st.integers(1, 130), size=st.floats(0.01, 4), seed=seeds)
def test_attention_is_that_of_rounded_numbers(
    library: ctypes.CDLL, tokens: int, head: int, size: float, seed: int
) -> None:
    qkv, biases = normal(tokens, 3, head + 4, seed=seed) * np.float32(size), normal(3, head + 4, seed=seed + 1)
    queries, keys, values = ((qkv + biases)[:, part, :head] for part in range(3))
    scores = in_bf16(queries * np.float32(1 / np.sqrt(np.float32(head)))) @ in_bf16(keys).T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    mixed = weights @ in_bf16(values) / weights.sum(axis=1, keepdims=True)
    out = attend(library, qkv, biases, head)
    np.testing.assert_allclose(out[:, :head], mixed, atol=2**-8 * np.abs(values).max())
    assert (out[:, head:] == -1).all()


def test_weights_add_up_to_one(library: ctypes.CDLL) -> None:
    qkv, biases = normal(100, 3, 72, seed=7) * np.float32(3), np.zeros((3, 72), np.float32)
    qkv[:, 2] = 0.375
    np.testing.assert_allclose(attend(library, qkv, biases, 72), 0.375, rtol=1e-6)


def test_a_key_that_is_not_a_number_spoils_the_tile_and_a_query_its_row(library: ctypes.CDLL) -> None:
    qkv, biases = normal(40, 3, 64, seed=8), np.zeros((3, 64), np.float32)
    expected = attend(library, qkv, biases, 64)
    qkv[17, 0, 3] = np.nan
    got = attend(library, qkv, biases, 64)
    assert np.isnan(got[17]).all()
    np.testing.assert_array_equal(np.delete(got, 17, 0), np.delete(expected, 17, 0))
    qkv[17, 1, 3] = np.nan
    assert np.isnan(attend(library, qkv, biases, 64)).all()
