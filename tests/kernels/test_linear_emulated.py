"""The AVX-512, AMX and NEON products on any x86-64 machine: their sources are compiled against emulated intrinsics.

What is emulated: every intrinsic of `linear_avx512.h`, `linear_amx.h`, `linear_neon.h` and the quantising beside them
(by SIMDe), and the tiles with their configuration (by `emulated/intrinsics.h`, which ends the program where the manual
has a fault). Speed and a compiler's own mistakes are not; against the one that is known, the tile configuration is
looked up in the assembly. NEON as a compiler for it makes it is tested by `test_neon.py`.
"""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kernels import cpu, reference

HERE = Path(__file__).parent / "emulated"
NATIVE = Path(cpu.__file__).parent / "native"
COMPILER = shutil.which("g++") or shutil.which("clang++")
FORMATS = ("q4_0", "q4_1", "q8_0", "bf16")
AVX512 = [f"-mavx512{part}" for part in ("f", "bw", "vl", "dq", "vnni", "bf16")]
AMX = ["-mavx2", "-mfma", "-mf16c", *AVX512, *(f"-mamx-{part}" for part in ("tile", "int8", "bf16"))]

pytestmark = [
    pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built, which pack the weights"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the machine is not an x86-64 one"),
]

seeds = st.integers(0, 2**32 - 1)


# AMX takes bf16, and what fills no tile, through the very functions of AVX-512.
@pytest.fixture(scope="module", params=[pytest.param("avx512", marks=pytest.mark.slow), "amx", "neon"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if not Path("/usr/include/simde/x86/avx512.h").exists():
        pytest.skip("SIMDe is not installed (Debian: libsimde-dev)")
    target = tmp_path_factory.mktemp("emulated") / f"{request.param}.so"
    flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-DSEATRIAL_EMULATED"]
    level = [f"-DLEVEL={request.param}"] + (["-DTILES"] if request.param == "amx" else [])
    intrinsics = HERE / ("neon.h" if request.param == "neon" else "intrinsics.h")
    sources = ["-include", intrinsics, f"-I{NATIVE}", HERE / "products.cpp", "-o", target]
    subprocess.run([COMPILER, *flags, *level, *sources], check=True, timeout=120)
    return ctypes.CDLL(str(target))


def quantise(library: ctypes.CDLL, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tokens, columns = x.shape
    codes = np.zeros((columns // 32, tokens, 32), np.int8)
    scales, sums = (np.zeros((columns // 32, tokens), np.float32) for _ in range(2))
    library.quantise(*map(_pointer, (x,)), tokens, columns, *map(_pointer, (codes, scales, sums)))
    return codes, scales, sums


def matmul(library: ctypes.CDLL, weight: cpu.PackedWeight, x: np.ndarray, panels: slice | None = None) -> np.ndarray:
    """y [T, rows + 3], minus ones where nothing was written. `panels` in units of 16 rows, all when None."""
    tokens, columns = x.shape
    codes, scales, sums = quantise(library, x)
    packed = _aligned(cpu.packed_bytes(weight).reshape(-1))
    y = np.full((tokens, weight.rows + 3), -1, np.float32)
    part = panels or slice(0, -(-weight.rows // 16))
    library.matmul(
        FORMATS.index(weight.format), weight.rows, _pointer(packed), part.start, part.stop,
        _pointer(x), tokens, columns, *map(_pointer, (codes, scales, sums, y)), y.shape[1],
    )  # fmt: skip
    return y


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def _aligned(data: np.ndarray) -> np.ndarray:
    """A copy at a multiple of 64 bytes, as weights lie in memory."""
    room = np.zeros(data.size + 64, np.uint8)
    start = -room.ctypes.data % 64
    room[start : start + data.size] = data
    return room[start : start + data.size]


def normal(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_quantise_gives_the_bits_of_the_portable_level(library: ctypes.CDLL) -> None:
    x = normal(5, 96, seed=1)
    x[0, :32], x[1, 7], x[2] = 0, np.nan, 1e-44
    x[3, ::5] = np.arange(20) - 0.5
    for ours, expected in zip(quantise(library, x), cpu.quantise("generic", x), strict=True):
        np.testing.assert_array_equal(ours, expected)


@settings(max_examples=15, deadline=None)
@given(tokens=st.integers(1, 9), groups=st.integers(1, 5), exponent=st.integers(-33, 30), seed=seeds)
def test_quantise_follows_the_definition(
    library: ctypes.CDLL, tokens: int, groups: int, exponent: int, seed: int
) -> None:
    x = normal(tokens, 32 * groups, seed=seed) * np.float32(10.0) ** exponent
    x[0, :6] = np.array([127, 0.5, 1.5, -2.5, -126.5, 63.5], np.float32) * np.abs(x).max()
    expected = reference.quantise(torch.from_numpy(x))
    codes, scales, sums = quantise(library, x)
    np.testing.assert_array_equal(codes, expected.codes_GTJ.numpy())
    np.testing.assert_array_equal(scales, expected.scales_GT.numpy())
    np.testing.assert_array_equal(sums, scales * codes.sum(axis=2, dtype=np.int32).astype(np.float32))


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=10, deadline=None)
@given(
    rows=st.integers(1, 50), groups=st.integers(1, 9), tokens=st.integers(1, 104), size=st.floats(1e-3, 1e3), seed=seeds
)
def test_a_product_is_what_its_codes_say(
    library: ctypes.CDLL, format: str, rows: int, groups: int, tokens: int, size: float, seed: int
) -> None:
    """Each sum is off by a few roundings of its largest terms, here 4e-7 of the sum of magnitudes."""
    weight = cpu.pack([("F32", normal(rows, 32 * groups, seed=seed))], 32 * groups, format)
    x = normal(tokens, 32 * groups, seed=seed + 1) * np.float32(size)
    matrix, inputs = cpu.dequantise(weight).astype(np.float64), x.astype(np.float64)
    if format != "bf16":
        codes, scales, _ = cpu.quantise("generic", x)
        inputs = (codes * scales[..., None].astype(np.float64)).transpose(1, 0, 2).reshape(x.shape)
    bound = 4e-7 * (np.abs(inputs) @ (np.abs(matrix) + np.abs(matrix).max(axis=1, keepdims=True)).T) + 1e-30
    off = np.abs(matmul(library, weight, x)[:, :rows] - inputs @ matrix.T)
    assert (off <= bound).all(), (off / bound).max()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("tokens", "rows", "columns"), [(1, 5, 32), (3, 37, 96), (16, 16, 64), (70, 33, 1120)])
def test_a_product_agrees_with_the_portable_level(
    library: ctypes.CDLL, format: str, tokens: int, rows: int, columns: int
) -> None:
    """1,120 columns are 35 groups, one more than a span of tiles and some; 70 tokens are two shares of 35."""
    weight = cpu.pack([("F32", normal(rows, columns, seed=1))], columns, format)
    x = normal(tokens, columns, seed=2)
    y = matmul(library, weight, x)
    expected = cpu.matmul("generic", weight, x)
    np.testing.assert_allclose(y[:, :rows], expected, atol=2e-5 * np.abs(expected).max())
    assert (y[:, rows:] == -1).all()


@pytest.mark.skipif("avx2" not in cpu.levels(), reason="the machine has no AVX2")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tokens", [2, 41])
def test_levels_agree_bit_for_bit(library: ctypes.CDLL, format: str, tokens: int) -> None:
    """All codes there are, -128 included; inputs of one size, so that their codes are at the ends of the range too."""
    weight = cpu.pack([_any_codes(format, 37, 160)], 160, format)
    x = np.sign(normal(tokens, 160, seed=4)) * np.float32(3)
    x[1:] += normal(tokens - 1, 160, seed=5)
    np.testing.assert_array_equal(matmul(library, weight, x)[:, :37], cpu.matmul("avx2", weight, x))


def _any_codes(format: str, rows: int, columns: int) -> tuple[str, np.ndarray]:
    if format == "bf16":
        return "F32", normal(rows, columns, seed=3)
    sizes = {"q4_0": 18, "q4_1": 20, "q8_0": 34}
    blocks = np.random.default_rng(3).integers(0, 256, (rows, columns // 32, sizes[format]), np.uint8)
    blocks[..., 1] = 0x24  # scales of about 0.02
    blocks[..., 3] = 0x28 if format == "q4_1" else blocks[..., 3]
    return format.upper(), blocks.reshape(rows, -1)


@pytest.mark.parametrize("format", FORMATS)
def test_a_token_has_the_same_bits_in_any_batch(library: ctypes.CDLL, format: str) -> None:
    weight = cpu.pack([("F32", normal(20, 96, seed=5))], 96, format)
    x = normal(67, 96, seed=6)
    together = matmul(library, weight, x)
    for size in (1, 2, 4, 7, 15, 16, 17, 31, 40, 65):
        parts = [matmul(library, weight, np.ascontiguousarray(x[at : at + size])) for at in range(0, len(x), size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=8, deadline=None)
@given(tokens=st.integers(2, 192), rows=st.integers(1, 40), groups=st.integers(1, 4), seed=seeds, data=st.data())
def test_a_token_has_the_same_bits_in_any_part_of_any_batch(
    library: ctypes.CDLL, format: str, tokens: int, rows: int, groups: int, seed: int, data: st.DataObject
) -> None:
    weight = cpu.pack([("F32", normal(rows, 32 * groups, seed=seed))], 32 * groups, format)
    x = normal(tokens, 32 * groups, seed=seed + 1)
    together = matmul(library, weight, x)
    first = data.draw(st.integers(0, tokens - 1), label="first")
    last = data.draw(st.integers(first + 1, tokens), label="last")
    np.testing.assert_array_equal(matmul(library, weight, x[first:last].copy()), together[first:last])
    np.testing.assert_array_equal(matmul(library, weight, x[first : first + 1].copy()), together[first : first + 1])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tokens", [2, 18])
def test_only_the_panels_that_were_asked_for_are_written(library: ctypes.CDLL, format: str, tokens: int) -> None:
    weight = cpu.pack([("F32", normal(50, 64, seed=7))], 64, format)
    x = normal(tokens, 64, seed=8)
    part, whole = matmul(library, weight, x, slice(1, 3)), matmul(library, weight, x)
    np.testing.assert_array_equal(part[:, 16:48], whole[:, 16:48])
    assert (part[:, :16] == -1).all()
    assert (part[:, 48:] == -1).all()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tokens", [3, 20])
def test_infinite_and_missing_inputs_stay_in_their_row(library: ctypes.CDLL, format: str, tokens: int) -> None:
    weight = cpu.pack([("F32", normal(18, 64, seed=9))], 64, format)
    x = normal(tokens, 64, seed=10)
    expected = matmul(library, weight, x)
    x[0, 5], x[2, 40] = np.nan, -np.inf
    got = matmul(library, weight, x)
    assert not np.isfinite(got[[0, 2], :18]).any()
    np.testing.assert_array_equal(np.delete(got, [0, 2], 0), np.delete(expected, [0, 2], 0))


@pytest.mark.parametrize(("source", "name"), [("products", "kTiles"), ("pictures", "kWideTiles")])
def test_the_tile_configuration_is_a_constant(tmp_path: Path, source: str, name: str) -> None:
    """GCC 12 drops stores into one that is filled at run time. What it holds is checked by the emulation."""
    assembly = tmp_path / "amx.s"
    flags = ["-std=c++17", "-O2", "-w", "-fPIC", *AMX, "-DLEVEL=amx", "-DTILES", f"-I{NATIVE}"]
    command = [COMPILER, *flags, "-S", HERE / f"{source}.cpp", "-o", assembly]
    if subprocess.run(command, capture_output=True, timeout=120).returncode != 0:
        pytest.skip("the compiler does not know AMX")
    text = assembly.read_text()
    constant = re.search(rf"^(\w*{name}\w*):$", text, re.MULTILINE)
    assert constant is not None
    assert f".size\t{constant[1]}, 64" in text
    assert "rodata" in re.findall(r"^\s*\.section\s+(\S+)", text[: constant.start()], re.MULTILINE)[-1]
    assert set(re.findall(r"ldtilecfg\s+(\S+)", text)) == {f"{constant[1]}(%rip)"}
