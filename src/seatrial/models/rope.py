"""Rotary position embedding, plain and stretched by YaRN.

In: a `ModelConfig`. Out: a table of cosines and sines that grows with the
positions asked for (a context length in a file is never trusted with an allocation).

Shape suffixes: T tokens, H head size, P positions, N heads.
"""

from __future__ import annotations

import torch

from seatrial.models.config import ModelConfig
from seatrial.models.frequencies import inverse_frequencies

_GROWTH = 1024


class RotaryTable:
    """cos and sin for positions 0 … P-1, computed in float32 and stored in the model's dtype."""

    def __init__(self, config: ModelConfig, *, dtype: torch.dtype, device: torch.device) -> None:
        self.frequencies_H2 = torch.from_numpy(inverse_frequencies(config)).to(device)
        self.scale = config.yarn.attention_factor if config.yarn else 1.0
        self.dtype = dtype
        self.cos_PH = torch.empty(0, config.head_dim, dtype=dtype, device=device)
        self.sin_PH = torch.empty(0, config.head_dim, dtype=dtype, device=device)

    def at(self, positions_T: torch.Tensor, num_positions: int) -> tuple[torch.Tensor, torch.Tensor]:
        """cos and sin, each [T, 1, H], for positions below `num_positions`."""
        if num_positions > self.cos_PH.shape[0]:
            self._grow(-(-num_positions // _GROWTH) * _GROWTH)
        return self.cos_PH[positions_T].unsqueeze(1), self.sin_PH[positions_T].unsqueeze(1)

    def _grow(self, num_positions: int) -> None:
        positions_P = torch.arange(num_positions, dtype=torch.float32, device=self.frequencies_H2.device)
        angles_PH2 = torch.outer(positions_P, self.frequencies_H2)
        angles_PH = torch.cat((angles_PH2, angles_PH2), dim=-1)
        self.cos_PH = (angles_PH.cos() * self.scale).to(self.dtype)
        # The first half of a rotated head subtracts: its sign is kept in the table, `rotate` only swaps halves.
        sign_H = torch.ones(angles_PH.shape[1], device=angles_PH.device)
        sign_H[: angles_PH2.shape[1]] = -1.0
        self.sin_PH = (angles_PH.sin() * self.scale * sign_H).to(self.dtype)


def rotate(x_TNH: torch.Tensor, cos_T1H: torch.Tensor, sin_T1H: torch.Tensor) -> torch.Tensor:
    """Rotate the pairs (i, i + H/2) of each head by its position (Su et al. 2021, arXiv 2104.09864, section 3.2).

    For H = 4 and one angle set (a, b): (x0, x1, x2, x3) becomes
    (x0 cos a - x2 sin a, x1 cos b - x3 sin b, x2 cos a + x0 sin a, x3 cos b + x1 sin b).
    """
    return torch.addcmul(x_TNH * cos_T1H, x_TNH.roll(x_TNH.shape[-1] // 2, dims=-1), sin_T1H)
