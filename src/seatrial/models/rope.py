"""Rotary position embedding, plain and stretched by YaRN.

In: a `ModelConfig`. Out: the angle of each half-dimension, and a table of cosines and sines that grows with the
positions asked for (a context length in a file is never trusted with an allocation).

Shape suffixes: T tokens, H head size, P positions, N heads.
"""

from __future__ import annotations

import math

import torch

from seatrial.models.config import ModelConfig, YarnScaling

_GROWTH = 1024


class RotaryTable:
    """cos and sin for positions 0 … P-1, computed in float32 and stored in the model's dtype."""

    def __init__(self, config: ModelConfig, *, dtype: torch.dtype, device: torch.device) -> None:
        self.frequencies_H2 = inverse_frequencies(config).to(device)
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


def inverse_frequencies(config: ModelConfig) -> torch.Tensor:
    """Angle per position of each half-dimension, [H/2], float32."""
    exponents_H2 = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    plain_H2 = 1.0 / config.rope_theta**exponents_H2
    if config.yarn is None:
        return plain_H2
    keep_H2 = 1.0 - _ramp(config.yarn, config.head_dim, config.rope_theta)
    return plain_H2 / config.yarn.factor * (1.0 - keep_H2) + plain_H2 * keep_H2


def _ramp(yarn: YarnScaling, head_dim: int, theta: float) -> torch.Tensor:
    """0 where a half-dimension keeps its frequency, 1 where it is divided by the factor ("NTK-by-parts"), [H/2]."""
    low = _dimension_of(yarn.beta_fast, yarn.original_context, head_dim, theta)
    high = _dimension_of(yarn.beta_slow, yarn.original_context, head_dim, theta)
    if yarn.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    width = (high - low) or 0.001
    return ((torch.arange(head_dim // 2, dtype=torch.float32) - low) / width).clamp(0, 1)


def _dimension_of(num_rotations: float, context: int, head_dim: int, theta: float) -> float:
    """The half-dimension that turns `num_rotations` times within the context."""
    return head_dim * math.log(context / (num_rotations * 2 * math.pi)) / (2 * math.log(theta))
