"""The plain picture encoder: PyTorch, on any device. What runs where our kernels do not; they are tested against it.

Shape suffixes: N tiles, C colours, H and W pixels, P rows of a tile, D hidden size of the decoder.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from seatrial.models.checkpoint import VisionParts
from seatrial.models.devices import Device
from seatrial.models.plain_dtype import choose_dtype
from seatrial.models.smolvlm2 import Eyes, eyes
from seatrial.models.tensors import vision_shapes
from seatrial.models.vision_config import VisionConfig

# Numbers of one layer's widest product that are held at once; more tiles than that are computed one after another.
_MOST_NUMBERS = 1 << 26


class TorchVision:
    """See `VisionEncoder`."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes: Eyes | None = eyes
        self.config: VisionConfig = eyes.config
        widest = max(eyes.config.intermediate_size, 3 * eyes.config.hidden_size)
        self._tiles_at_once = max(1, _MOST_NUMBERS // (widest * eyes.config.patches_per_side**2))

    def encode(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `VisionEncoder`."""
        assert self._eyes is not None, "closed"
        config = self.config
        rows_NPD = np.empty((len(tiles_NCHW), config.tokens_per_tile, config.text_hidden_size), np.float32)
        for start in range(0, len(tiles_NCHW), self._tiles_at_once):
            some = torch.from_numpy(np.ascontiguousarray(tiles_NCHW[start : start + self._tiles_at_once]))
            rows_NPD[start : start + len(some)] = self._eyes(some).float().cpu().numpy()
        return rows_NPD

    def close(self) -> None:
        """See `VisionEncoder`."""
        self._eyes = None


def open_plain_vision(parts: VisionParts, *, dtype: str, device: Device, name: str) -> TorchVision:
    """The encoder of a checkpoint on `device`, in a dtype by name (see `plain_dtype`).

    Raises NotRunnable where it does not fit, CheckpointError for damaged weights.
    """
    num_weights = sum(math.prod(shape) for shape in vision_shapes(parts.config).values())
    chosen = choose_dtype(dtype, device, num_weights, name)
    return TorchVision(eyes(parts.config, parts.tensors, dtype=chosen, device=torch.device(device)))
