"""Blocks of a quantised GGUF tensor back to numbers, by the formulas of ggml's block formats.

In: raw bytes as a uint8 tensor. Out: a flat float32 tensor. Each format is described where it is read; tests hold
every one against the `gguf` package.

Shape suffixes: B blocks, the number is how many bytes or values a block has there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def dequantise(raw: torch.Tensor, type_name: str) -> torch.Tensor:
    """All numbers of a tensor, flat, float32. `raw` is uint8 and a whole number of blocks long."""
    return _READERS[type_name](raw)


def _plain(dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda raw: raw.view(dtype).float()


def _half(raw_B2: torch.Tensor) -> torch.Tensor:
    return raw_B2.contiguous().view(torch.float16).float()


def _nibbles(raw_B16: torch.Tensor) -> torch.Tensor:
    """Low halves of all bytes, then high halves."""
    return torch.cat((raw_B16 & 15, raw_B16 >> 4), dim=1)


def _q8_0(raw: torch.Tensor) -> torch.Tensor:
    """Half scale, 32 signed bytes: x = d q."""
    blocks = raw.view(-1, 34)
    return (blocks[:, 2:].view(torch.int8).float() * _half(blocks[:, :2])).flatten()


def _q4_0(raw: torch.Tensor) -> torch.Tensor:
    """Half scale, 16 bytes of nibbles: x = d (q - 8)."""
    blocks = raw.view(-1, 18)
    return (_nibbles(blocks[:, 2:]).float().sub_(8).mul_(_half(blocks[:, :2]))).flatten()


def _q4_1(raw: torch.Tensor) -> torch.Tensor:
    """Half scale, half minimum, 16 bytes of nibbles: x = d q + m."""
    blocks = raw.view(-1, 20)
    return _nibbles(blocks[:, 4:]).float().mul_(_half(blocks[:, :2])).add_(_half(blocks[:, 2:4])).flatten()


def _fifth_bits(raw_B4: torch.Tensor) -> torch.Tensor:
    """32 bits, lowest first, as 0 or 16, [B, 32]."""
    shifts = torch.arange(8, dtype=torch.uint8)
    return ((raw_B4.unsqueeze(2) >> shifts & 1) << 4).flatten(1)


def _q5_0(raw: torch.Tensor) -> torch.Tensor:
    """Half scale, 32 fifth bits, 16 bytes of nibbles: x = d (q - 16)."""
    blocks = raw.view(-1, 22)
    codes = _nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6])
    return codes.float().sub_(16).mul_(_half(blocks[:, :2])).flatten()


def _q5_1(raw: torch.Tensor) -> torch.Tensor:
    """Half scale, half minimum, 32 fifth bits, 16 bytes of nibbles: x = d q + m."""
    blocks = raw.view(-1, 24)
    codes = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8])
    return codes.float().mul_(_half(blocks[:, :2])).add_(_half(blocks[:, 2:4])).flatten()


def _six_bit_scales(raw_B12: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight scales and eight minima of 6 bits from 12 bytes.

    Bytes 0-3 hold scales 0-3, bytes 4-7 minima 0-3, in their low six bits; the low and high nibbles of bytes 8-11
    are the low four bits of scales and minima 4-7, whose upper two bits top bytes 0-3 and 4-7.
    """
    low, middle, high = raw_B12[:, :4], raw_B12[:, 4:8], raw_B12[:, 8:]
    scales = torch.cat((low & 63, (high & 15) | (low >> 6 << 4)), dim=1)
    minima = torch.cat((middle & 63, (high >> 4) | (middle >> 6 << 4)), dim=1)
    return scales.float(), minima.float()


def _scaled_groups(codes_B8x32: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
    """x = d scale q - dmin minimum, over eight groups of 32; the block opens with d, dmin and the packed scales."""
    scales_B8, minima_B8 = _six_bit_scales(blocks[:, 4:16])
    scales_B8, minima_B8 = scales_B8 * _half(blocks[:, :2]), minima_B8 * _half(blocks[:, 2:4])
    return (codes_B8x32.float() * scales_B8.unsqueeze(2) - minima_B8.unsqueeze(2)).flatten()


def _pairs_of_groups(raw_B128: torch.Tensor) -> torch.Tensor:
    """128 bytes as [B, 8, 32]: of each 32 bytes the low nibbles are one group, the high nibbles the next."""
    quarters = raw_B128.reshape(-1, 4, 1, 32)
    return torch.cat((quarters & 15, quarters >> 4), dim=2).view(-1, 8, 32)


def _q4_k(raw: torch.Tensor) -> torch.Tensor:
    """144 bytes: d, dmin, 12 bytes of scales, 128 bytes of nibbles."""
    blocks = raw.view(-1, 144)
    return _scaled_groups(_pairs_of_groups(blocks[:, 16:]), blocks)


def _q5_k(raw: torch.Tensor) -> torch.Tensor:
    """176 bytes: as Q4_K, with 32 bytes of fifth bits between; bit g of byte i belongs to value i of group g."""
    blocks = raw.view(-1, 176)
    fifth = (blocks[:, None, 16:48] >> torch.arange(8, dtype=torch.uint8)[:, None] & 1) << 4
    return _scaled_groups(_pairs_of_groups(blocks[:, 48:]) | fifth, blocks)


def _q6_k(raw: torch.Tensor) -> torch.Tensor:
    """210 bytes: 128 of low nibbles, 64 of upper bit pairs, 16 signed scales, d: x = d scale (q - 32).

    Either half of the block is 64 bytes of nibbles and 32 bytes of pairs: the low nibbles of its 64 bytes, then the
    high ones, make four groups of 32, and group g takes bits 2g and 2g+1 of the 32 bytes. A scale covers 16 values.
    """
    blocks = raw.view(-1, 210)
    halves = blocks[:, :128].reshape(-1, 2, 1, 64)
    low = torch.cat((halves & 15, halves >> 4), dim=2).view(-1, 2, 4, 32)
    shifts = torch.arange(0, 8, 2, dtype=torch.uint8)[:, None]
    high = (blocks[:, 128:192].reshape(-1, 2, 1, 32) >> shifts & 3) << 4
    codes_B16x16 = (low | high).view(-1, 16, 16).float().sub_(32)
    scales_B16 = blocks[:, 192:208].contiguous().view(torch.int8).float() * _half(blocks[:, 208:])
    return (codes_B16x16 * scales_B16.unsqueeze(2)).flatten()


_READERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "F32": _plain(torch.float32),
    "F16": _plain(torch.float16),
    "BF16": _plain(torch.bfloat16),
    "Q8_0": _q8_0,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
