"""Keys and values of a few sequences at a time, one contiguous slot each.

In: which slots take how many new tokens (`plan`). Out: an `Attend` for the decoder. A slot remembers what it holds, so
that the next prompt that begins alike is not computed again; a prefix can be copied from slot to slot.

In a decode step the keys and values of a prefix that all sequences share are read once for all of them: reading them
is what attention costs there.

Memory: 2 * layers * kv_heads * head_size * bytes per token and slot; it grows with the longest sequence, in steps.

Shape suffixes: T new tokens of all sequences, B sequences, M slots from the first to the last used, S positions, P of
them shared and O each one's own, K key-value heads, N query heads, G query heads to a key-value head, X = M*G,
H head size, C = N*H.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from seatrial.models.config import ModelConfig

_STEP = 256
_FIRST_POSITIONS = 1024
# Shorter shared prefixes are read as fast one by one.
_WORTH_SHARING = 32


class Span(NamedTuple):
    """`length` new tokens of one sequence, to stand in `slot` from position `start` on."""

    slot: int
    start: int
    length: int


class KVSlots:
    """The cache. `attend` works on the spans that the last `plan` named."""

    def __init__(self, config: ModelConfig, num_slots: int, *, dtype: torch.dtype, device: torch.device) -> None:
        self.config, self.num_slots, self.dtype, self.device = config, num_slots, dtype, device
        self.capacity = 0
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self._reserve(_FIRST_POSITIONS)
        self._spans: Sequence[Span] = ()

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Copy positions `start` to `end` - 1 of one slot to another."""
        if source == target or start >= end:
            return
        for store in (*self.keys, *self.values):
            store[target, :, start:end] = store[source, :, start:end]

    def erase(self, slot: int) -> None:
        """Zero a slot whose sequence went wrong, so that no NaN of it is left under a mask."""
        for store in (*self.keys, *self.values):
            store[slot].zero_()

    def plan(self, spans: Sequence[Span], num_shared: int = 0) -> torch.Tensor:
        """Say what the coming forward pass adds; returns the position of each token, [T].

        Spans of one token each must come in the order of their slots; the first `num_shared` positions of all their
        slots hold the same tokens.
        """
        self._spans = spans
        self._longest = max(span.start + span.length for span in spans)
        if self._longest > self.capacity:
            self._reserve(self._longest)
        self._decoding = all(span.length == 1 for span in spans)
        starts = [span.start for span in spans]
        if not self._decoding:
            self._masks = [self._seen(span) for span in spans]
            return torch.cat([torch.arange(s.start, s.start + s.length, device=self.device) for s in spans])
        # Plain products round scores to the dtype, which only float32 bears; a GPU's fused attention beats them.
        plain = self.dtype == torch.float32 and self.device.type == "cpu"
        self._num_shared = num_shared if plain and len(spans) > 1 and num_shared >= _WORTH_SHARING else 0
        positions_B = torch.tensor(starts, device=self.device)
        self._slots_B = torch.tensor([span.slot for span in spans], device=self.device)
        self._positions_B = positions_B
        # The cache is read in place: every slot from the first to the last one used, idle ones between included.
        first, last = spans[0].slot, spans[-1].slot
        self._rows_B = self._slots_B - first if last - first + 1 > len(spans) else None
        self._range = slice(first, last + 1)
        ends_M = torch.zeros(last - first + 1, dtype=torch.int64, device=self.device)
        ends_M[self._slots_B - first] = positions_B
        hidden_MS = torch.arange(self._longest, device=self.device) > ends_M.unsqueeze(1)
        mask_MS = torch.zeros(hidden_MS.shape, dtype=self.dtype, device=self.device)
        self._mask_M11S = mask_MS.masked_fill_(hidden_MS, float("-inf"))[:, None, None]
        return positions_B

    def attend(self, layer: int, q_TNH: torch.Tensor, k_TKH: torch.Tensor, v_TKH: torch.Tensor) -> torch.Tensor:
        """See `smollm.Attend`."""
        return (self._attend_one_each if self._decoding else self._attend_spans)(layer, q_TNH, k_TKH, v_TKH)

    def _attend_one_each(
        self, layer: int, q_BNH: torch.Tensor, k_BKH: torch.Tensor, v_BKH: torch.Tensor
    ) -> torch.Tensor:
        keys_BKSH, values_BKSH = self.keys[layer], self.values[layer]
        keys_BKSH[self._slots_B, :, self._positions_B] = k_BKH
        values_BKSH[self._slots_B, :, self._positions_B] = v_BKH
        queries_MNH = q_BNH
        if self._rows_B is not None:
            queries_MNH = q_BNH.new_zeros(self._mask_M11S.shape[0], *q_BNH.shape[1:])
            queries_MNH[self._rows_B] = q_BNH
        keys_MKSH, values_MKSH = (
            keys_BKSH[self._range, :, : self._longest],
            values_BKSH[self._range, :, : self._longest],
        )
        if self._num_shared:
            attended_MC = self._attend_shared(queries_MNH, keys_MKSH, values_MKSH)
        else:
            attended_MC = F.scaled_dot_product_attention(
                queries_MNH.unsqueeze(2), keys_MKSH, values_MKSH, attn_mask=self._mask_M11S, enable_gqa=True
            ).reshape(queries_MNH.shape[0], -1)
        return attended_MC if self._rows_B is None else attended_MC[self._rows_B]

    def _attend_shared(self, q_MNH: torch.Tensor, keys_MKSH: torch.Tensor, values_MKSH: torch.Tensor) -> torch.Tensor:
        """The same attention in two parts: all queries with the first slot's prefix, each with the rest of its own."""
        num_slots, num_heads, shared = keys_MKSH.shape[0], keys_MKSH.shape[1], self._num_shared
        q_MKGH = (q_MNH * q_MNH.shape[-1] ** -0.5).view(num_slots, num_heads, -1, q_MNH.shape[-1])
        q_KXH = q_MKGH.transpose(0, 1).reshape(num_heads, -1, q_MNH.shape[-1])
        scores_KXP = torch.bmm(q_KXH, keys_MKSH[0, :, :shared].transpose(1, 2))
        scores_MKGP = scores_KXP.view(num_heads, num_slots, -1, shared).transpose(0, 1)
        scores_MKGO = torch.matmul(q_MKGH, keys_MKSH[:, :, shared:].transpose(2, 3)) + self._mask_M11S[..., shared:]
        weights_MKGS = torch.softmax(torch.cat((scores_MKGP, scores_MKGO), dim=-1), dim=-1)
        weights_KXP = weights_MKGS[..., :shared].transpose(0, 1).reshape(num_heads, -1, shared)
        from_shared_KMGH = torch.bmm(weights_KXP, values_MKSH[0, :, :shared]).view(q_MKGH.transpose(0, 1).shape)
        from_own_MKGH = torch.matmul(weights_MKGS[..., shared:], values_MKSH[:, :, shared:])
        return (from_shared_KMGH.transpose(0, 1) + from_own_MKGH).reshape(num_slots, -1)

    def _attend_spans(self, layer: int, q_TNH: torch.Tensor, k_TKH: torch.Tensor, v_TKH: torch.Tensor) -> torch.Tensor:
        attended, begin = [], 0
        for (slot, start, length), seen_TS in zip(self._spans, self._masks, strict=True):
            new, end = slice(begin, begin + length), start + length
            keys_KSH, values_KSH = self.keys[layer][slot, :, :end], self.values[layer][slot, :, :end]
            keys_KSH[:, start:] = k_TKH[new].transpose(0, 1)
            values_KSH[:, start:] = v_TKH[new].transpose(0, 1)
            attended_1NTH = F.scaled_dot_product_attention(
                q_TNH[new].transpose(0, 1).unsqueeze(0),
                keys_KSH.unsqueeze(0),
                values_KSH.unsqueeze(0),
                attn_mask=seen_TS,
                is_causal=seen_TS is None,
                enable_gqa=True,
            )
            attended.append(attended_1NTH[0].transpose(0, 1).reshape(length, -1))
            begin += length
        return torch.cat(attended) if len(attended) > 1 else attended[0]

    def _seen(self, span: Span) -> torch.Tensor | None:
        """Which of S = start+T keys each of T new queries sees; None where the plain causal triangle says it."""
        if span.start == 0:
            return None
        shape = (span.length, span.start + span.length)
        return torch.ones(shape, dtype=torch.bool, device=self.device).tril_(span.start)

    def _reserve(self, num_positions: int) -> None:
        """Grow every slot to at least `num_positions`, half as much again as before, keeping what it holds."""
        held = self.capacity
        self.capacity = -(-max(num_positions, held + held // 2) // _STEP) * _STEP
        shape = (self.num_slots, self.config.num_kv_heads, self.capacity, self.config.head_dim)
        for stores in (self.keys, self.values):
            for layer in range(self.config.num_layers):
                grown = _zeros(shape, self.dtype, self.device)
                if held:
                    grown[:, :, :held] = stores[layer]
                    stores[layer] = grown
                else:
                    stores.append(grown)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros, not garbage: what a mask hides is still multiplied by 0, and 0 * NaN is NaN.

    On a CPU numpy asks the system for zeroed pages, which cost nothing until they are used; torch would fill them.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.zeros(math.prod(shape) * dtype.itemsize, dtype=np.uint8)).view(dtype).view(shape)
