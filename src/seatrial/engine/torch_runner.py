"""The plain runner: the PyTorch decoder over a paged cache, on any device.

It is what runs where no native kernels are built, on GPUs, and in float32; the native runner is tested against it.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from seatrial.engine.kv_cache import PagedKV
from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.errors import NotRunnable
from seatrial.models.checkpoint import Checkpoint
from seatrial.models.devices import Device
from seatrial.models.plain_dtype import choose_dtype
from seatrial.models.smollm import Decoder, Given, decoder_weights
from seatrial.models.tensors import expected_shapes


class TorchRunner:
    """See `Runner`."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder, self.config = decoder, decoder.config
        self.device = cast(Device, decoder.device.type)
        self._cache: PagedKV | None = None

    @property
    def cheap_tokens(self) -> int:
        """See `Runner`. PyTorch's float products are bound by memory for longer than ours."""
        return 8 if self.device == "cpu" else 32

    @property
    def block_bytes(self) -> int:
        """See `Runner`."""
        config = self.config
        numbers = 2 * config.num_layers * config.num_kv_heads * config.head_dim * BLOCK_TOKENS
        return numbers * self.decoder.dtype.itemsize

    def allocate(self, num_blocks: int) -> None:
        """See `Runner`."""
        try:
            self._cache = PagedKV(self.config, num_blocks, dtype=self.decoder.dtype, device=self.decoder.device)
        except (RuntimeError, MemoryError) as error:
            raise NotRunnable(
                f"A cache of {num_blocks * BLOCK_TOKENS:,} positions takes "
                f"{num_blocks * self.block_bytes / 1e9:.1f} GB, which {self.device} does not have.",
                "Ask for a shorter context or fewer requests at once.",
            ) from error

    @torch.inference_mode()
    def forward(self, step: StepInput) -> torch.Tensor | NDArray[np.float32]:
        """See `Runner`."""
        logits_RV = self.decoder.logits(self._hidden(step))
        return logits_RV.numpy() if self.device == "cpu" else logits_RV

    @torch.inference_mode()
    def hidden(self, step: StepInput) -> NDArray[np.float32]:
        """See `Runner`."""
        hidden_RD: NDArray[np.float32] = self._hidden(step).float().cpu().numpy()
        return hidden_RD

    def _hidden(self, step: StepInput) -> torch.Tensor:
        assert self._cache is not None
        self._cache.plan(step)
        device = self.decoder.device
        tokens_T = torch.from_numpy(step.tokens_T).to(device=device, dtype=torch.int64)
        positions_T = torch.from_numpy(step.positions_T).to(device=device, dtype=torch.int64)
        given = None
        if step.pictures is not None:
            places_E = torch.from_numpy(step.pictures.places_E).to(device=device, dtype=torch.int64)
            given = Given(places_E, torch.from_numpy(step.pictures.rows_ED).to(device))
        hidden_TD = self.decoder.hidden(tokens_T, positions_T, int(step.positions_T.max()) + 1, self._cache, given)
        if len(step.rows_R) < len(step.tokens_T):
            hidden_TD = hidden_TD[torch.from_numpy(step.rows_R).to(device=device, dtype=torch.int64)]
        return hidden_TD

    def close(self) -> None:
        """See `Runner`."""
        self._cache = None


def open_plain(checkpoint: Checkpoint, *, name: str, dtype: str, device: Device, threads: int | None) -> TorchRunner:
    """A checkpoint's weights on `device`, in a dtype by name (see `plain_dtype`). `threads` None leaves PyTorch's own.

    Raises NotRunnable where they do not fit, CheckpointError for damaged weights.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    config = checkpoint.config
    num_weights = sum(math.prod(shape) for shape in expected_shapes(config).values())
    chosen = choose_dtype(dtype, device, num_weights, name)
    weights = decoder_weights(config, checkpoint.tensors, dtype=chosen, device=torch.device(device))
    return TorchRunner(Decoder(config, weights))
