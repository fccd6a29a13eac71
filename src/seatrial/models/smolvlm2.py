"""The eyes of SmolVLM2 as a whole: SigLIP, pixel shuffle, and the projection into the decoder's embeddings.

In: normalised tiles. Out: `tokens_per_tile` rows for each, in the order of the picture. Marafioti et al. 2025, arXiv
2504.05299, section 2; facts checked against transformers' `SmolVLMConnector`. The decoder is SmolLM2's (`smollm`).

Shape suffixes: N tiles, C colours, H and W pixels, P patches of a tile, T tokens of a tile, E hidden size of the
encoder, S scale factor, D hidden size of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from seatrial.models.siglip import Siglip, siglip_weights
from seatrial.models.tensors import PROJECTION
from seatrial.models.vision_config import VisionConfig


class Eyes:
    """The forward pass of encoder and connector. Holds weights, no state of any picture."""

    def __init__(self, config: VisionConfig, encoder: Siglip, projection_DI: torch.Tensor) -> None:
        self.config, self.encoder, self.projection_DI = config, encoder, projection_DI
        self.dtype, self.device = projection_DI.dtype, projection_DI.device

    @torch.inference_mode()
    def __call__(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """Rows for the decoder, [N, T, D], in the weights' dtype."""
        patches_NPE = self.encoder(tiles_NCHW.to(device=self.device, dtype=self.dtype))
        return F.linear(pixel_shuffle(patches_NPE, self.config.scale_factor), self.projection_DI)


def eyes(
    config: VisionConfig, tensors: Mapping[str, torch.Tensor], *, dtype: torch.dtype, device: torch.device
) -> Eyes:
    """Encoder and connector from named tensors, see `tensors.vision_shapes`."""
    encoder = Siglip(config, siglip_weights(config, tensors, dtype=dtype, device=device))
    return Eyes(config, encoder, tensors[PROJECTION].to(device=device, dtype=dtype))


def pixel_shuffle(x_NPE: torch.Tensor, scale: int) -> torch.Tensor:
    """Squares of `scale` by `scale` patches side by side: [N, P, E] to [N, P / scale², E scale²] (arXiv 1609.05158).

    With 4 patches per side and a scale of 2, token 1 holds patches 2, 3, 6 and 7, in this order.
    """
    num_tiles, num_patches, width = x_NPE.shape
    side = round(num_patches**0.5) // scale
    x_NrScSE = x_NPE.reshape(num_tiles, side, scale, side, scale, width)
    return x_NrScSE.transpose(2, 3).reshape(num_tiles, side * side, scale * scale * width)
