"""Packed weights: what goes in comes out, in the stated layout, and nothing that does not fit is taken."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.kernels import cpu, reference

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
BLOCKS = {"q4_0": "Q4_0", "q4_1": "Q4_1", "q8_0": "Q8_0"}
FORMATS = (*BLOCKS, "bf16")
rows_and_groups = st.tuples(st.integers(1, 50), st.integers(1, 5))


def random_weight(rows: int, groups: int, seed: int, scale: float = 1.0) -> np.ndarray:
    weight = np.random.default_rng(seed).standard_normal((rows, groups * 32)) * scale
    return weight.astype(np.float32)


def gguf_blocks(weight: np.ndarray, kind: str) -> np.ndarray:
    return gguf.quants.quantize(weight, gguf.GGMLQuantizationType[kind])


@pytest.mark.parametrize("format", BLOCKS)
@settings(deadline=None, max_examples=25)
@given(shape=rows_and_groups, seed=st.integers(0, 99))
def test_gguf_blocks_are_kept_as_they_are(format: str, shape: tuple[int, int], seed: int) -> None:
    blocks = gguf_blocks(random_weight(*shape, seed), BLOCKS[format])
    packed = cpu.pack([(BLOCKS[format], blocks)], shape[1] * 32, format)
    expected = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[BLOCKS[format]])
    assert (packed.rows, packed.columns, packed.format) == (shape[0], shape[1] * 32, format)
    np.testing.assert_array_equal(cpu.dequantise(packed), expected)


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=15)
@given(shape=rows_and_groups, seed=st.integers(0, 99))
def test_the_layout_is_the_stated_one(format: str, shape: tuple[int, int], seed: int) -> None:
    packed = cpu.pack([("F32", random_weight(*shape, seed))], shape[1] * 32, format)
    layout = torch.from_numpy(np.array(cpu.packed_bytes(packed)))
    assert layout.numel() == packed.num_bytes
    np.testing.assert_array_equal(reference.unpack(layout, packed.rows, format).numpy(), cpu.dequantise(packed))


@pytest.mark.parametrize("format", ["q4_0", "q4_1"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_rounding_of_floats_to_four_bits_is_ggmls(format: str, scale: float) -> None:
    weight = random_weight(33, 4, seed=5, scale=scale)
    blocks = gguf_blocks(weight, BLOCKS[format])
    ours = cpu.dequantise(cpu.pack([("F32", weight)], 128, format))
    np.testing.assert_array_equal(ours, gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[BLOCKS[format]]))


def test_rounding_of_floats_to_eight_bits_is_to_the_nearest_code() -> None:
    weight = random_weight(20, 4, seed=6)
    scales = np.abs(weight.reshape(20, 4, 32)).max(-1, keepdims=True) / 127
    error = np.abs(cpu.dequantise(cpu.pack([("F32", weight)], 128, "q8_0")) - weight).reshape(20, 4, 32)
    # Half a step, and what storing the scale as a half (2^-11 of it) does to the largest code, 127.
    assert (error <= scales * (0.5 + 127 * 2**-11 + 1e-3)).all()


def test_bfloat16_rounds_to_nearest_even() -> None:
    weight = random_weight(17, 3, seed=7)
    expected = torch.from_numpy(weight).bfloat16().float().numpy()
    np.testing.assert_array_equal(cpu.dequantise(cpu.pack([("F32", weight)], 96, "bf16")), expected)


def test_halves_at_the_edges_are_read_and_written_exactly() -> None:
    """Scales that are subnormal, the smallest normal, the largest, infinite."""
    scales = np.array([0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0x7C00, 0x8001, 0x0000], np.uint16).view(np.float16)
    blocks = np.zeros((8, 34), np.uint8)
    blocks[:, :2] = scales.view(np.uint8).reshape(8, 2)
    blocks[:, 2] = 1
    packed = cpu.pack([("Q8_0", blocks)], 32, "q8_0")
    np.testing.assert_array_equal(cpu.dequantise(packed)[:, 0], scales.astype(np.float32))
    floats = np.zeros((8, 32), np.float32)
    floats[:, 0] = np.array([2**-24, 2**-25, 2**-25 * 1.001, 1 / 3, 65504, 65519, 65520, 1e-40]) * 127
    again = torch.from_numpy(np.array(cpu.packed_bytes(cpu.pack([("F32", floats)], 32, "q8_0"))))
    with np.errstate(over="ignore"):
        expected = (floats[:, 0] / np.float32(127)).astype(np.float16)
    np.testing.assert_array_equal(again[0, 0, 512:528].view(torch.float16).numpy(), expected)


def test_parts_are_stacked_in_their_order() -> None:
    parts = [random_weight(rows, 2, seed) for seed, rows in enumerate((5, 16, 19))]
    packed = cpu.pack([("F32", part) for part in parts], 64, "bf16")
    expected = torch.from_numpy(np.concatenate(parts)).bfloat16().float().numpy()
    np.testing.assert_array_equal(cpu.dequantise(packed), expected)


def test_blocks_and_floats_mix_in_one_matrix() -> None:
    weight = random_weight(8, 2, seed=3)
    blocks = gguf_blocks(weight, "Q4_1")
    both = cpu.dequantise(cpu.pack([("Q4_1", blocks), ("F32", weight)], 64, "q4_1"))
    np.testing.assert_array_equal(both[:8], both[8:])


def test_slices_and_strided_arrays_are_read_right() -> None:
    weight = random_weight(20, 4, seed=8)
    expected = cpu.dequantise(cpu.pack([("F32", weight[::2].copy())], 128, "q4_1"))
    np.testing.assert_array_equal(cpu.dequantise(cpu.pack([("F32", weight[::2])], 128, "q4_1")), expected)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_damaged_number_never_becomes_a_sound_one(format: str, wrong: float) -> None:
    weight = random_weight(3, 2, seed=1)
    weight[1, 40] = wrong
    out = cpu.dequantise(cpu.pack([("F32", weight)], 64, format))
    assert not np.isfinite(out[1, 40])
    assert np.isfinite(out[[0, 2]]).all()
    assert np.isfinite(out[1, :32]).all()


@pytest.mark.parametrize("format", FORMATS)
def test_zeros_stay_zeros(format: str) -> None:
    assert (cpu.dequantise(cpu.pack([("F32", np.zeros((5, 64), np.float32))], 64, format)) == 0).all()


@pytest.mark.parametrize(
    ("parts", "columns", "format", "message"),
    [
        ([("F32", np.zeros((4, 48), np.float32))], 48, "q4_1", "multiple of 32"),
        ([("F32", np.zeros((4, 64), np.float32))], -64, "q4_1", "multiple of 32"),
        ([("F32", np.zeros((4, 64), np.float32))], 96, "q4_1", "64 entries"),
        ([("F32", np.zeros((4, 64), np.uint8))], 64, "q4_1", "float32"),
        ([("Q4_1", np.zeros((4, 40), np.float32))], 64, "q4_1", "uint8"),
        ([("Q4_1", np.zeros((4, 39), np.uint8))], 64, "q4_1", "39 entries"),
        ([("Q4_0", np.zeros((4, 36), np.uint8))], 64, "q4_1", "same name"),
        ([("Q8_0", np.zeros((4, 68), np.uint8))], 64, "bf16", "same name"),
        ([("Q6_K", np.zeros((4, 68), np.uint8))], 64, "q4_1", "`Q6_K`"),
        ([("F32", np.zeros((4, 64), np.float32))], 64, "int3", "`int3`"),
        ([("F32", np.zeros((0, 64), np.float32))], 64, "q4_1", "at least one row"),
        ([], 64, "q4_1", "at least one row"),
    ],
)
def test_what_does_not_fit_is_refused(parts: list, columns: int, format: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cpu.pack(parts, columns, format)


def test_the_packed_bytes_outlive_the_weight_and_cannot_be_written() -> None:
    layout = cpu.packed_bytes(cpu.pack([("F32", random_weight(300, 8, seed=2))], 256, "q8_0"))
    before = layout.copy()
    [cpu.pack([("F32", np.zeros((300, 256), np.float32))], 256, "q8_0") for _ in range(4)]
    np.testing.assert_array_equal(layout, before)
    with pytest.raises(ValueError, match="read-only"):
        layout[0, 0, 0] = 1
