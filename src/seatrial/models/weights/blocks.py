"""Quantised blocks of one GGUF type as blocks of another that the kernels take, without going through numbers.

In: the blocks of some rows. Out: the same rows in blocks of Q4_1 or Q8_0. Codes stay what they are; scales and minima
are at most rounded to half precision:

    Q4_0 to Q4_1   x = d (q - 8) = d q + (-8 d): exact, -8 d being a half like d (short of overflow)
    Q4_0 to Q8_0   the code is q - 8: exact
    Q5_0 to Q8_0   the code is q - 16: exact
    Q4_K to Q4_1   x = (d scale) q - (dmin minimum): both products, of 17 bits, are rounded to the 11 of a half.
                   An error is at most 2^-11 (15 d scale + dmin minimum), or 2^-25 a product where that is larger.

Shape suffixes: R rows, B blocks of all rows, the number is how many bytes or values a block has there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_BLOCK_BYTES = {"Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q8_0": 34, "Q4_K": 144}
_BLOCK_SIZE = {"Q4_0": 32, "Q5_0": 32, "Q4_K": 256}
# Converted at once: what is made on the way stays in the caches.
_CHUNK_BYTES = 1 << 18
_LOW_NIBBLES = np.uint64(0x0F0F_0F0F_0F0F_0F0F)


class Blocks(NamedTuple):
    """Rows of a matrix as stored: the GGUF type, and uint8 [R, bytes of a row]."""

    kind: str
    raw: Bytes


def convert(blocks: Blocks, kind: str) -> Blocks | None:
    """The same rows as blocks of `kind`, or None where there is no way but through numbers."""
    if blocks.kind == kind:
        return blocks
    converter = _CONVERTERS.get((blocks.kind, kind))
    if converter is None:
        return None
    num_rows, row_bytes = blocks.raw.shape
    of_block, of_new = _BLOCK_BYTES[blocks.kind], _BLOCK_BYTES[kind] * (_BLOCK_SIZE[blocks.kind] // 32)
    raw_R = np.empty((num_rows, row_bytes // of_block * of_new), np.uint8)
    step = max(1, _CHUNK_BYTES // row_bytes)
    for start in range(0, num_rows, step):
        some = blocks.raw[start : start + step]
        raw_R[start : start + step] = converter(some.reshape(-1, of_block)).reshape(len(some), -1)
    return Blocks(kind, raw_R)


def _q4_0_as_q4_1(raw_B18: Bytes) -> Bytes:
    with np.errstate(over="ignore", invalid="ignore"):
        minimum_B1 = _half(raw_B18[:, :2]) * np.float16(-8)
    return np.concatenate((raw_B18[:, :2], minimum_B1.view(np.uint8), raw_B18[:, 2:]), axis=1)


def _q4_0_as_q8_0(raw_B18: Bytes) -> Bytes:
    return _centred(raw_B18[:, :2], _nibbles(raw_B18[:, 2:]), 8)


def _q5_0_as_q8_0(raw_B22: Bytes) -> Bytes:
    fifth_B32 = np.unpackbits(raw_B22[:, 2:6], axis=1, bitorder="little") * np.uint8(16)
    return _centred(raw_B22[:, :2], _nibbles(raw_B22[:, 6:]) | fifth_B32, 16)


def _q4_k_as_q4_1(raw_B144: Bytes) -> Bytes:
    """Eight groups of 32 make a block; the layout is described at `dequantise._six_bit_scales` and `_q4_k`.

    A Q4_K block keeps two groups in 32 bytes, one in the low nibbles, one in the high ones; Q4_1 keeps values i and
    i + 16 of one group in byte i. So of each 32 bytes the low nibbles of the two halves make one group's 16 bytes, the
    high nibbles the next one's. Eight bytes go at once, and every half is met with the one that follows it, two words
    on; of the pairs that come out every other one is wanted: of halves (a, b, c, d), a with b and c with d.
    """
    out_B8x20 = np.empty((len(raw_B144), 8, 20), np.uint8)
    out_B8x20.view(np.uint32)[:, :, 0] = _scales_and_minima(raw_B144).T
    words = np.ascontiguousarray(raw_B144[:, 16:]).view(np.uint64).reshape(-1)
    low, high = words & _LOW_NIBBLES, words & ~_LOW_NIBBLES
    for first, pairs in ((0, low[:-2] | low[2:] << 4), (1, high[:-2] >> 4 | high[2:])):
        with_last = np.concatenate((pairs, pairs[:2])).view(np.uint8)
        out_B8x20[:, first::2, 4:] = with_last.reshape(-1, 4, 2, 16)[:, :, 0]
    return out_B8x20


def _scales_and_minima(raw_B144: Bytes) -> NDArray[np.uint32]:
    """The first four bytes of the eight Q4_1 groups, [8, B]: d scale, then -dmin minimum, as halves."""
    packed_12B = np.ascontiguousarray(raw_B144[:, 4:16].T)
    low, middle, high = packed_12B[:4], packed_12B[4:8], packed_12B[8:]
    scales_8B = np.concatenate((low & 63, (high & 15) | (low >> 6 << 4)))
    minima_8B = np.concatenate((middle & 63, (high >> 4) | (middle >> 6 << 4)))
    d_B, dmin_B = (_half(raw_B144[:, at : at + 2])[:, 0].astype(np.float32) for at in (0, 2))
    with np.errstate(over="ignore", invalid="ignore"):
        scale, minimum = (d_B * scales_8B).astype(np.float16), (-dmin_B * minima_8B).astype(np.float16)
    low_half, high_half = (half.view(np.uint16).astype(np.uint32) for half in (scale, minimum))
    return low_half | high_half << np.uint32(16)


def _half(raw_B2: Bytes) -> NDArray[np.float16]:
    return np.ascontiguousarray(raw_B2).view(np.float16)


def _nibbles(raw_B16: Bytes) -> Bytes:
    """Low halves of all bytes, then high halves."""
    return np.concatenate((raw_B16 & 15, raw_B16 >> 4), axis=1)


def _centred(scale_B2: Bytes, codes_B32: Bytes, centre: int) -> Bytes:
    """Q8_0 blocks of unsigned codes whose zero is `centre`; uint8 wraps round to what int8 means."""
    return np.concatenate((scale_B2, codes_B32 - np.uint8(centre)), axis=1)


_CONVERTERS: dict[tuple[str, str], Callable[[Bytes], Bytes]] = {
    ("Q4_0", "Q4_1"): _q4_0_as_q4_1,
    ("Q4_0", "Q8_0"): _q4_0_as_q8_0,
    ("Q5_0", "Q8_0"): _q5_0_as_q8_0,
    ("Q4_K", "Q4_1"): _q4_k_as_q4_1,
}
