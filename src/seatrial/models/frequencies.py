"""How fast each half-dimension of a head turns with the position: rotary embedding, plain and stretched by YaRN.

Su et al. 2021, arXiv 2104.09864, section 3.2.2; Peng et al. 2023, arXiv 2309.00071, section 3.2. Torch-free.

Shape suffixes: H head size.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seatrial.models.config import ModelConfig, YarnScaling


def inverse_frequencies(config: ModelConfig) -> NDArray[np.float32]:
    """Angle per position of each half-dimension, [H/2], float32."""
    exponents_H2 = np.arange(0, config.head_dim, 2, dtype=np.float32) / np.float32(config.head_dim)
    plain_H2 = np.float32(1) / np.float32(config.rope_theta) ** exponents_H2
    if config.yarn is None:
        return plain_H2
    keep_H2 = 1.0 - _ramp(config.yarn, config.head_dim, config.rope_theta)
    return plain_H2 / config.yarn.factor * (1.0 - keep_H2) + plain_H2 * keep_H2


def _ramp(yarn: YarnScaling, head_dim: int, theta: float) -> NDArray[np.float32]:
    """0 where a half-dimension keeps its frequency, 1 where it is divided by the factor ("NTK-by-parts"), [H/2]."""
    low = _dimension_of(yarn.beta_fast, yarn.original_context, head_dim, theta)
    high = _dimension_of(yarn.beta_slow, yarn.original_context, head_dim, theta)
    if yarn.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    width = (high - low) or 0.001
    halves_H2 = np.arange(head_dim // 2, dtype=np.float32)
    ramp_H2: NDArray[np.float32] = np.clip((halves_H2 - np.float32(low)) / np.float32(width), 0, 1)
    return ramp_H2


def _dimension_of(num_rotations: float, context: int, head_dim: int, theta: float) -> float:
    """The half-dimension that turns `num_rotations` times within the context."""
    return head_dim * math.log(context / (num_rotations * 2 * math.pi)) / (2 * math.log(theta))
