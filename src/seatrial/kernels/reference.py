"""What is correct: every kernel in plain PyTorch, as short as it can be said.

In and out: float32 tensors, and the packed bytes of a weight as `kernels.cpu.packed_bytes` gives them. The native
levels are tested against these functions; nothing else calls them.

Shape suffixes: T tokens, K columns of a weight, N its rows, P panels of 16 rows, G groups of 32 columns, J the columns
of a group, Q query heads, C key-value heads, H head size, L blocks of a cache, S sequences, B blocks of the longest of
them; a number is an extent.
"""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

from typing import NamedTuple

import torch

PANEL_ROWS = 16
GROUP = 32
BLOCK_TOKENS = 16


class Quantised(NamedTuple):
    """Activations in groups of 32: x is about codes * scales; sums are scales * (sum of codes)."""

    codes_GTJ: torch.Tensor
    scales_GT: torch.Tensor
    sums_GT: torch.Tensor


class Cache(NamedTuple):
    """Keys and values of one layer as they read back."""

    keys_LCH16: torch.Tensor
    values_LC16H: torch.Tensor


def unpack(packed_PGx: torch.Tensor, rows: int, format: str) -> torch.Tensor:
    """The weight [N, K] that packed bytes stand for.

    A group of a panel begins with its codes. 8-bit ones: byte 64 q + 4 r + i is column 4 q + i of row r. 4-bit ones:
    byte 64 q + 4 r + i holds column 4 q + i of row r below and column 4 q + i + 16 above. So row 5, column 9 of a
    group is in byte 64 * 2 + 4 * 5 + 1 = 149. Scales of the 16 rows follow in half, then minima, where there are any.
    """
    num_panels, num_groups, _ = packed_PGx.shape
    if format == "bf16":
        pairs = packed_PGx.contiguous().view(torch.bfloat16).float().view(num_panels, num_groups, 16, PANEL_ROWS, 2)
        values_PGrJ = pairs.transpose(2, 3).reshape(num_panels, num_groups, PANEL_ROWS, GROUP)
    else:
        codes_PGrJ, tail_PGx = _codes(packed_PGx, format)
        factors = tail_PGx.contiguous().view(torch.float16).float().view(num_panels, num_groups, -1, PANEL_ROWS, 1)
        values_PGrJ = codes_PGrJ * factors[:, :, 0]
        if format == "q4_1":
            values_PGrJ = values_PGrJ + factors[:, :, 1]
    return values_PGrJ.transpose(1, 2).reshape(num_panels * PANEL_ROWS, num_groups * GROUP)[:rows]


def _codes(packed_PGx: torch.Tensor, format: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes [P, G, 16 rows, J] as floats, 0 where the weight is 0 (q4_1: its minimum), and the bytes after them."""
    num_panels, num_groups, _ = packed_PGx.shape
    num_bytes = 512 if format == "q8_0" else 256
    lines = packed_PGx[..., :num_bytes].reshape(num_panels, num_groups, num_bytes // 64, PANEL_ROWS, 4)
    if format == "q8_0":
        codes = lines.contiguous().view(torch.int8).float()
    else:
        codes = torch.cat((lines & 15, lines >> 4), dim=2).float() - (8 if format == "q4_0" else 0)
    codes_PGrJ = codes.transpose(2, 3).reshape(num_panels, num_groups, PANEL_ROWS, GROUP)
    return codes_PGrJ, packed_PGx[..., num_bytes:]


def quantise(x_TK: torch.Tensor) -> Quantised:
    """scale = max|x| / 127 over a group, code = x / scale, rounded to nearest, halves to even."""
    groups_GTJ = x_TK.view(x_TK.shape[0], -1, GROUP).transpose(0, 1)
    scales_GT = groups_GTJ.abs().amax(-1) / 127
    codes_GTJ = _divided(groups_GTJ, scales_GT)
    return Quantised(codes_GTJ.to(torch.int8), scales_GT, scales_GT * codes_GTJ.sum(-1))


def matmul(weight_NK: torch.Tensor, x_TK: torch.Tensor, *, integer: bool) -> torch.Tensor:
    """x w^T, [T, N], in float64; `integer`: of the quantised x, as all formats but bf16 have it."""
    if integer:
        codes_GTJ, scales_GT, _ = quantise(x_TK)
        x_TK = (codes_GTJ * scales_GT.unsqueeze(-1)).transpose(0, 1).reshape(x_TK.shape)
    return x_TK.double() @ weight_NK.double().T


def rms_norm(x_TK: torch.Tensor, weight_K: torch.Tensor, eps: float) -> torch.Tensor:
    """Zhang & Sennrich 2019, arXiv 1910.07467, equation 4."""
    return weight_K * x_TK * torch.rsqrt(x_TK.square().mean(-1, keepdim=True) + eps)


def silu_mul(gate_up_TK: torch.Tensor) -> torch.Tensor:
    """SwiGLU's product (Shazeer 2020, arXiv 2002.05202, section 2): gates in the first half of a row."""
    gate, up = gate_up_TK.chunk(2, dim=-1)
    return gate * torch.sigmoid(gate) * up


def rope(x_TQH: torch.Tensor, cos_T1h: torch.Tensor, sin_T1h: torch.Tensor) -> torch.Tensor:
    """Rotate pairs (i, i + H/2) (Su et al. 2021, arXiv 2104.09864, section 3.2); cosines and sines [T, 1, H/2]."""
    low, high = x_TQH.chunk(2, dim=-1)
    return torch.cat((low * cos_T1h - high * sin_T1h, high * cos_T1h + low * sin_T1h), dim=-1)


def empty_cache(num_blocks: int, heads: int, head_dim: int) -> Cache:
    """A cache of zeros."""
    return Cache(
        torch.zeros(num_blocks, heads, head_dim, BLOCK_TOKENS), torch.zeros(num_blocks, heads, BLOCK_TOKENS, head_dim)
    )


def store_kv(
    cache: Cache,
    keys_TCH: torch.Tensor,
    values_TCH: torch.Tensor,
    blocks_T: torch.Tensor,
    slots_T: torch.Tensor,
    format: str,
) -> None:
    """Put tokens at their slots, rounded as `format` ("bf16" or "int8", one scale per token and head) rounds."""
    for token, (block, slot) in enumerate(zip(blocks_T.tolist(), slots_T.tolist(), strict=True)):
        cache.keys_LCH16[block, :, :, slot] = _rounded(keys_TCH[token], format)
        cache.values_LC16H[block, :, slot] = _rounded(values_TCH[token], format)


def attend(
    cache: Cache,
    q_TQH: torch.Tensor,
    positions_T: torch.Tensor,
    sequences_T: torch.Tensor,
    tables_SB: torch.Tensor,
) -> torch.Tensor:
    """Causal attention of each token over positions 0 to its own; scale 1/sqrt(H), Q/C query heads share a key head.

    Position p of sequence s is slot p % 16 of block `tables_SB[s, p // 16]`: position 21 is slot 5 of its second block.
    """
    out_TQH = torch.empty_like(q_TQH)
    num_heads, shared = cache.keys_LCH16.shape[1], q_TQH.shape[1] // cache.keys_LCH16.shape[1]
    for token, (position, sequence) in enumerate(zip(positions_T.tolist(), sequences_T.tolist(), strict=True)):
        blocks_B = tables_SB[sequence, : position // BLOCK_TOKENS + 1].long()
        keys_CHp = cache.keys_LCH16[blocks_B].permute(1, 2, 0, 3).flatten(2)[..., : position + 1]
        values_CpH = cache.values_LC16H[blocks_B].permute(1, 0, 2, 3).flatten(1, 2)[:, : position + 1]
        q_CxH = q_TQH[token].view(num_heads, shared, -1)
        scores_Cxp = (q_CxH @ keys_CHp) * q_TQH.shape[-1] ** -0.5
        out_TQH[token] = (torch.softmax(scores_Cxp, -1) @ values_CpH).flatten(0, 1)
    return out_TQH


def _rounded(x_CH: torch.Tensor, format: str) -> torch.Tensor:
    if format == "bf16":
        return x_CH.bfloat16().float()
    scales_C = x_CH.abs().amax(-1) / 127
    return _divided(x_CH, scales_C) * scales_C.unsqueeze(-1)


def _divided(x: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """x / scale, rounded, 0 where the scale is."""
    codes = (x / scales.unsqueeze(-1)).round()
    return torch.where(scales.unsqueeze(-1) > 0, codes, torch.zeros_like(codes))
