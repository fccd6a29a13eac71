"""SigLIP's picture encoder: a plain vision transformer with biases, LayerNorm and no token of its own.

In: normalised tiles. Out: one vector per patch, after the last norm. Every patch of a tile sees every other; tiles do
not see each other. Zhai et al. 2023, arXiv 2303.15343; facts checked against transformers' `SmolVLMVisionTransformer`.

Patch i takes row i of the position table. transformers looks rows up by fractions in single precision, which comes to
the same for the published 27 and 32 patches per side; where it does not (19, 25, 29 and others), rounding gives some
patches their neighbour's row there.

Shape suffixes: N tiles, C colours, H and W pixels, P patches of a tile, D hidden size, F feed-forward size,
A heads, h head size.
"""

# ruff: noqa: N815 - fields of weights carry shape suffixes

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F

from seatrial.models.vision_config import VisionConfig

Take = Callable[[str], torch.Tensor]


class Affine(NamedTuple):
    """x weight^T + bias; or, for a norm, what follows it."""

    weight: torch.Tensor
    bias: torch.Tensor


class SiglipLayer(NamedTuple):
    """One layer. Queries, keys and values are one product."""

    attention_norm: Affine
    qkv: Affine
    output: Affine
    mlp_norm: Affine
    up: Affine
    down: Affine


class SiglipWeights(NamedTuple):
    """The whole encoder."""

    patch: Affine
    positions_PD: torch.Tensor
    layers: tuple[SiglipLayer, ...]
    last_norm: Affine


class Siglip:
    """The forward pass. Holds weights, no state of any picture."""

    def __init__(self, config: VisionConfig, weights: SiglipWeights) -> None:
        self.config, self.weights = config, weights

    @torch.inference_mode()
    def __call__(self, tiles_NCHW: torch.Tensor) -> torch.Tensor:
        """Hidden states [N, P, D]; patch row r, column c of a tile is P index r * (patches per side) + c."""
        config, weights = self.config, self.weights
        seen = config.patches_per_side * config.patch_size
        patches_NDrc = F.conv2d(tiles_NCHW[:, :, :seen, :seen], *weights.patch, stride=config.patch_size)
        x_NPD = patches_NDrc.flatten(2).transpose(1, 2) + weights.positions_PD
        for layer in weights.layers:
            x_NPD = x_NPD + self._attend(self._normed(x_NPD, layer.attention_norm), layer)
            up_NPF = F.linear(self._normed(x_NPD, layer.mlp_norm), *layer.up)
            x_NPD = x_NPD + F.linear(F.gelu(up_NPF, approximate="tanh"), *layer.down)
        return self._normed(x_NPD, weights.last_norm)

    def _normed(self, x_NPD: torch.Tensor, norm: Affine) -> torch.Tensor:
        return F.layer_norm(x_NPD, (self.config.hidden_size,), norm.weight, norm.bias, self.config.norm_eps)

    def _attend(self, x_NPD: torch.Tensor, layer: SiglipLayer) -> torch.Tensor:
        """Softmax over all patches of a tile, scale 1/sqrt(h)."""
        num_tiles, num_patches, _ = x_NPD.shape
        qkv_NPxAh = F.linear(x_NPD, *layer.qkv).view(num_tiles, num_patches, 3, self.config.num_heads, -1)
        q_NAPh, k_NAPh, v_NAPh = qkv_NPxAh.permute(2, 0, 3, 1, 4)
        attended_NAPh = F.scaled_dot_product_attention(q_NAPh, k_NAPh, v_NAPh)
        return F.linear(attended_NAPh.transpose(1, 2).reshape(x_NPD.shape), *layer.output)


def siglip_weights(
    config: VisionConfig, tensors: Mapping[str, torch.Tensor], *, dtype: torch.dtype, device: torch.device
) -> SiglipWeights:
    """Arrange named tensors (see `tensors.vision_shapes`); each is taken once, converted and dropped."""

    def take(name: str) -> torch.Tensor:
        return tensors[f"vision_model.{name}"].to(device=device, dtype=dtype)

    return SiglipWeights(
        patch=_affine(take, "embeddings.patch_embedding"),
        positions_PD=take("embeddings.position_embedding.weight"),
        layers=tuple(_layer(take, f"encoder.layers.{index}.") for index in range(config.num_layers)),
        last_norm=_affine(take, "post_layernorm"),
    )


def _layer(take: Take, at: str) -> SiglipLayer:
    return SiglipLayer(
        attention_norm=_affine(take, f"{at}layer_norm1"),
        qkv=_affine(take, *(f"{at}self_attn.{part}_proj" for part in "qkv")),
        output=_affine(take, f"{at}self_attn.out_proj"),
        mlp_norm=_affine(take, f"{at}layer_norm2"),
        up=_affine(take, f"{at}mlp.fc1"),
        down=_affine(take, f"{at}mlp.fc2"),
    )


def _affine(take: Take, *names: str) -> Affine:
    """One product of one tensor, or of several stacked."""
    if len(names) == 1:
        return Affine(take(f"{names[0]}.weight"), take(f"{names[0]}.bias"))
    return Affine(*(torch.cat([take(f"{name}.{part}") for name in names]) for part in ("weight", "bias")))
