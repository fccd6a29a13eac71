"""Blocks of a quantised GGUF tensor back to numbers, by the formulas of ggml's block formats. Torch-free.

In: raw bytes. Out: float32 numbers. Each format is described where it is read; tests hold every one against the
`gguf` package.

Shape suffixes: B blocks, the number is how many bytes or values a block has there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_EIGHT = np.arange(8, dtype=np.uint8)


def dequantise(raw: Bytes, type_name: str) -> Floats:
    """All numbers of a tensor, flat. `raw` is flat, and a whole number of blocks long.

    Damaged scales give what arithmetic makes of them, without a warning: who wants the numbers checks them.
    """
    with np.errstate(all="ignore"):
        return _READERS[type_name](raw)


def _plain(dtype: type[np.float32] | type[np.float16]) -> Callable[[Bytes], Floats]:
    return lambda raw: raw.view(dtype).astype(np.float32)


def _bf16(raw: Bytes) -> Floats:
    """The upper half of a float32."""
    return (raw.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)


def _half(raw_B2: Bytes) -> Floats:
    return np.ascontiguousarray(raw_B2).view(np.float16).astype(np.float32)


def _nibbles(raw_B16: Bytes) -> Bytes:
    """Low halves of all bytes, then high halves."""
    return np.concatenate((raw_B16 & 15, raw_B16 >> 4), axis=1)


def _scaled(codes_B32: NDArray[np.uint8] | NDArray[np.int8], scale_B1: Floats, shift: Floats | float) -> Floats:
    """x = d q + shift, flat."""
    numbers_B32 = codes_B32.astype(np.float32)
    numbers_B32 *= scale_B1
    if isinstance(shift, np.ndarray):
        numbers_B32 += shift
    return numbers_B32.reshape(-1)


def _centred(codes_B32: Bytes, scale_B1: Floats, centre: int) -> Floats:
    """x = d (q - centre), flat; uint8 wraps round to what int8 means."""
    return _scaled((codes_B32 - np.uint8(centre)).view(np.int8), scale_B1, 0.0)


def _q8_0(raw: Bytes) -> Floats:
    """Half scale, 32 signed bytes: x = d q."""
    blocks = raw.reshape(-1, 34)
    return _scaled(blocks[:, 2:].view(np.int8), _half(blocks[:, :2]), 0.0)


def _q4_0(raw: Bytes) -> Floats:
    """Half scale, 16 bytes of nibbles: x = d (q - 8)."""
    blocks = raw.reshape(-1, 18)
    return _centred(_nibbles(blocks[:, 2:]), _half(blocks[:, :2]), 8)


def _q4_1(raw: Bytes) -> Floats:
    """Half scale, half minimum, 16 bytes of nibbles: x = d q + m."""
    blocks = raw.reshape(-1, 20)
    return _scaled(_nibbles(blocks[:, 4:]), _half(blocks[:, :2]), _half(blocks[:, 2:4]))


def _fifth_bits(raw_B4: Bytes) -> Bytes:
    """32 bits, lowest first, as 0 or 16, [B, 32]."""
    return np.unpackbits(raw_B4, axis=1, bitorder="little") << np.uint8(4)


def _q5_0(raw: Bytes) -> Floats:
    """Half scale, 32 fifth bits, 16 bytes of nibbles: x = d (q - 16)."""
    blocks = raw.reshape(-1, 22)
    return _centred(_nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6]), _half(blocks[:, :2]), 16)


def _q5_1(raw: Bytes) -> Floats:
    """Half scale, half minimum, 32 fifth bits, 16 bytes of nibbles: x = d q + m."""
    blocks = raw.reshape(-1, 24)
    codes = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8])
    return _scaled(codes, _half(blocks[:, :2]), _half(blocks[:, 2:4]))


def _six_bit_scales(raw_B12: Bytes) -> tuple[Floats, Floats]:
    """Eight scales and eight minima of 6 bits from 12 bytes.

    Bytes 0-3 hold scales 0-3, bytes 4-7 minima 0-3, in their low six bits; the low and high nibbles of bytes 8-11
    are the low four bits of scales and minima 4-7, whose upper two bits top bytes 0-3 and 4-7.
    """
    low, middle, high = raw_B12[:, :4], raw_B12[:, 4:8], raw_B12[:, 8:]
    scales = np.concatenate((low & 63, (high & 15) | (low >> 6 << 4)), axis=1)
    minima = np.concatenate((middle & 63, (high >> 4) | (middle >> 6 << 4)), axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def _scaled_groups(codes_B8x32: Bytes, blocks: Bytes) -> Floats:
    """x = d scale q - dmin minimum, over eight groups of 32; the block opens with d, dmin and the packed scales."""
    scales_B8, minima_B8 = _six_bit_scales(blocks[:, 4:16])
    scales_B8 *= _half(blocks[:, :2])
    minima_B8 *= _half(blocks[:, 2:4])
    return _scaled(codes_B8x32, scales_B8[:, :, None], -minima_B8[:, :, None])


def _pairs_of_groups(raw_B128: Bytes) -> Bytes:
    """128 bytes as [B, 8, 32]: of each 32 bytes the low nibbles are one group, the high nibbles the next."""
    quarters = raw_B128.reshape(-1, 4, 1, 32)
    return np.concatenate((quarters & 15, quarters >> 4), axis=2).reshape(-1, 8, 32)


def _q4_k(raw: Bytes) -> Floats:
    """144 bytes: d, dmin, 12 bytes of scales, 128 bytes of nibbles."""
    blocks = raw.reshape(-1, 144)
    return _scaled_groups(_pairs_of_groups(blocks[:, 16:]), blocks)


def _q5_k(raw: Bytes) -> Floats:
    """176 bytes: as Q4_K, with 32 bytes of fifth bits between; bit g of byte i belongs to value i of group g."""
    blocks = raw.reshape(-1, 176)
    fifth = (blocks[:, None, 16:48] >> _EIGHT[:, None] & np.uint8(1)) << np.uint8(4)
    return _scaled_groups(_pairs_of_groups(blocks[:, 48:]) | fifth, blocks)


def _q6_k(raw: Bytes) -> Floats:
    """210 bytes: 128 of low nibbles, 64 of upper bit pairs, 16 signed scales, d: x = d scale (q - 32).

    Either half of the block is 64 bytes of nibbles and 32 bytes of pairs: the low nibbles of its 64 bytes, then the
    high ones, make four groups of 32, and group g takes bits 2g and 2g+1 of the 32 bytes. A scale covers 16 values.
    """
    blocks = raw.reshape(-1, 210)
    halves = blocks[:, :128].reshape(-1, 2, 1, 64)
    low = np.concatenate((halves & 15, halves >> 4), axis=2).reshape(-1, 2, 4, 32)
    high = (blocks[:, 128:192].reshape(-1, 2, 1, 32) >> _EIGHT[::2, None] & np.uint8(3)) << np.uint8(4)
    codes_B16x16 = (low | high).reshape(-1, 16, 16)
    # Multiplied as ggml does, the scale first: products are rounded, and bits must agree.
    scales_B16 = blocks[:, 192:208].view(np.int8).astype(np.float32) * _half(blocks[:, 208:])
    return _centred(codes_B16x16, scales_B16[:, :, None], 32)


_READERS: dict[str, Callable[[Bytes], Floats]] = {
    "F32": _plain(np.float32),
    "F16": _plain(np.float16),
    "BF16": _bf16,
    "Q8_0": _q8_0,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
