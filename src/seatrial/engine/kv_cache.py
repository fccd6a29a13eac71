"""The paged cache in PyTorch: keys and values of all sequences in blocks of 16 positions.

In: the `StepInput` of the coming pass (`plan`). Out: an `Attend` for the decoder, which stores the new keys and values
and lets every token see its own sequence up to itself. This is the plain path, for any device; sequences' blocks are
gathered for PyTorch's attention.

Shape suffixes: T new tokens, S sequences, L positions of the longest of them, E positions of one of them, C slots of
the cache (16 to a block), K key-value heads, N query heads, H head size.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.models.config import ModelConfig


class PagedKV:
    """The cache. `attend` works on the pass that the last `plan` named."""

    def __init__(self, config: ModelConfig, num_blocks: int, *, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.num_layers, num_blocks * BLOCK_TOKENS, config.num_kv_heads, config.head_dim)
        self.keys_CKH = torch.empty(shape, dtype=dtype, device=device).unbind()
        self.values_CKH = torch.empty(shape, dtype=dtype, device=device).unbind()
        self.device = device

    def plan(self, step: StepInput) -> None:
        """Say what the coming pass adds. Example: position 18 of a sequence with blocks (7, 2) is slot 2*16 + 2."""
        lengths_S = np.diff(step.starts_S1)
        ends_S = step.positions_T[step.starts_S1[1:] - 1] + 1
        longest = int(ends_S.max())
        positions_L = np.arange(longest)
        slots_SL = step.tables_SB[:, positions_L // BLOCK_TOKENS] * BLOCK_TOKENS + positions_L % BLOCK_TOKENS
        # What a mask hides is still multiplied by 0, and 0 * NaN is NaN: past its end a row looks at its own start.
        slots_SL = np.where(positions_L < ends_S[:, None], slots_SL, slots_SL[:, :1])
        sequence_T = np.repeat(np.arange(len(lengths_S)), lengths_S)
        self._new_T = self._put(slots_SL[sequence_T, step.positions_T])
        self._starts, self._ends = step.starts_S1.tolist(), ends_S.tolist()
        self._slots_SL = self._put(slots_SL)
        self._decoding = bool((lengths_S == 1).all())
        if self._decoding:
            self._mask_S11L = self._put(positions_L < ends_S[:, None])[:, None, None]
        else:
            pairs = zip(lengths_S.tolist(), self._ends, strict=True)
            self._masks = [self._seen(length, end) for length, end in pairs]

    def attend(self, layer: int, q_TNH: torch.Tensor, k_TKH: torch.Tensor, v_TKH: torch.Tensor) -> torch.Tensor:
        """See `smollm.Attend`."""
        keys_CKH, values_CKH = self.keys_CKH[layer], self.values_CKH[layer]
        keys_CKH[self._new_T], values_CKH[self._new_T] = k_TKH, v_TKH
        if self._decoding:
            attended_SN1H = F.scaled_dot_product_attention(
                q_TNH.unsqueeze(2),
                keys_CKH[self._slots_SL].transpose(1, 2),
                values_CKH[self._slots_SL].transpose(1, 2),
                attn_mask=self._mask_S11L,
                enable_gqa=True,
            )
            return attended_SN1H.reshape(q_TNH.shape[0], -1)
        attended = []
        for index, (seen_TE, end) in enumerate(zip(self._masks, self._ends, strict=True)):
            slots_E = self._slots_SL[index, :end]
            attended_1NTH = F.scaled_dot_product_attention(
                q_TNH[self._starts[index] : self._starts[index + 1]].transpose(0, 1).unsqueeze(0),
                keys_CKH[slots_E].transpose(0, 1).unsqueeze(0),
                values_CKH[slots_E].transpose(0, 1).unsqueeze(0),
                attn_mask=seen_TE,
                enable_gqa=True,
            )
            attended.append(attended_1NTH[0].transpose(0, 1).flatten(1))
        return torch.cat(attended)

    def _seen(self, length: int, end: int) -> torch.Tensor:
        """Which of `end` positions each of the last `length` sees: for 2 of 3, (1, 1, 0) and (1, 1, 1)."""
        return torch.ones((length, end), dtype=torch.bool, device=self.device).tril_(end - length)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
