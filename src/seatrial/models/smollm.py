"""The decoder that SmolLM2 and SmolLM3 share: grouped-query attention, RMSNorm, SwiGLU, rotary embedding or none.

In: a flat run of tokens from any number of sequences, the position of each, and an `Attend` that keeps keys and values
and knows which token belongs to which sequence. Out: one hidden vector per token; `logits` turns the wanted ones into
scores over the vocabulary. Nothing is padded: tokens of several sequences stand one after another.

Shape suffixes: T tokens of all sequences, R rows whose logits are wanted, D hidden size, F feed-forward size,
N query heads, K key-value heads, H head size, V vocabulary, E tokens that begin as given rows.
"""

# ruff: noqa: N815 - fields of weights carry shape suffixes

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F

from seatrial.models.config import ModelConfig
from seatrial.models.projection import Projection
from seatrial.models.rope import RotaryTable, rotate


class Attend(Protocol):
    """Where keys and values live. The decoder hands over each layer's new ones and gets the attended values back."""

    def attend(self, layer: int, q_TNH: torch.Tensor, k_TKH: torch.Tensor, v_TKH: torch.Tensor) -> torch.Tensor:
        """Store `k` and `v`, attend causally within each sequence, return [T, N*H]. Scale is 1/sqrt(H)."""
        ...


class Given(NamedTuple):
    """Rows that stand in for embeddings: token `places_E[i]` begins as `rows_ED[i]`, whatever its id."""

    places_E: torch.Tensor
    rows_ED: torch.Tensor


class LayerWeights(NamedTuple):
    """One layer. Queries, keys and values are one projection, so are gate and up."""

    attention_norm_D: torch.Tensor
    qkv: Projection
    output: Projection
    mlp_norm_D: torch.Tensor
    gate_up: Projection
    down: Projection


class DecoderWeights(NamedTuple):
    """The whole decoder. Where the two are tied, `output` multiplies by `embedding_VD`."""

    embedding_VD: torch.Tensor
    layers: tuple[LayerWeights, ...]
    norm_D: torch.Tensor
    output: Projection


class Decoder:
    """The forward pass. Holds weights and the rotary table, no state of any sequence."""

    def __init__(self, config: ModelConfig, weights: DecoderWeights) -> None:
        self.config, self.weights = config, weights
        self.dtype, self.device = weights.embedding_VD.dtype, weights.embedding_VD.device
        self.rotary = RotaryTable(config, dtype=self.dtype, device=self.device)

    @torch.inference_mode()
    def hidden(
        self,
        tokens_T: torch.Tensor,
        positions_T: torch.Tensor,
        num_positions: int,
        attend: Attend,
        given: Given | None = None,
    ) -> torch.Tensor:
        """Hidden states [T, D] after the last norm. `positions_T` are below `num_positions`."""
        config, weights = self.config, self.weights
        cos_T1H, sin_T1H = self.rotary.at(positions_T, num_positions)
        x_TD = weights.embedding_VD[tokens_T]
        if given is not None:
            x_TD[given.places_E] = given.rows_ED.to(x_TD.dtype)
        keys_at, values_at = config.num_heads, config.num_heads + config.num_kv_heads
        for index, layer in enumerate(weights.layers):
            normed_TD = _rms_norm(x_TD, layer.attention_norm_D, config.norm_eps)
            qkv_TCH = layer.qkv(normed_TD).view(x_TD.shape[0], -1, config.head_dim)
            qk_TCH, v_TKH = qkv_TCH[:, :values_at], qkv_TCH[:, values_at:]
            if config.rope_layers[index]:
                qk_TCH = rotate(qk_TCH, cos_T1H, sin_T1H)
            attended_TE = attend.attend(index, qk_TCH[:, :keys_at], qk_TCH[:, keys_at:], v_TKH)
            x_TD = x_TD + layer.output(attended_TE)
            normed_TD = _rms_norm(x_TD, layer.mlp_norm_D, config.norm_eps)
            gate_TF, up_TF = layer.gate_up(normed_TD).chunk(2, dim=-1)
            x_TD = x_TD + layer.down(F.silu(gate_TF).mul_(up_TF))
        return _rms_norm(x_TD, weights.norm_D, config.norm_eps)

    @torch.inference_mode()
    def logits(self, hidden_RD: torch.Tensor) -> torch.Tensor:
        """Scores over the vocabulary, [R, V], in float32."""
        return self.weights.output(hidden_RD).float()


def decoder_weights(
    config: ModelConfig, tensors: Mapping[str, torch.Tensor], *, dtype: torch.dtype, device: torch.device
) -> DecoderWeights:
    """Arrange named tensors (Hugging Face names, see `expected_shapes`) as the decoder wants them.

    Each tensor is taken from the mapping once, converted and dropped, so that a lazy mapping never holds two copies
    of the whole.
    """

    def take(name: str) -> torch.Tensor:
        return tensors[name].to(device=device, dtype=dtype)

    def project(*names: str) -> Projection:
        return Projection(torch.cat([take(name) for name in names]) if len(names) > 1 else take(*names))

    layers = []
    for index in range(config.num_layers):
        at = f"model.layers.{index}."
        layers.append(
            LayerWeights(
                attention_norm_D=take(f"{at}input_layernorm.weight"),
                qkv=project(*(f"{at}self_attn.{part}_proj.weight" for part in "qkv")),
                output=project(f"{at}self_attn.o_proj.weight"),
                mlp_norm_D=take(f"{at}post_attention_layernorm.weight"),
                gate_up=project(f"{at}mlp.gate_proj.weight", f"{at}mlp.up_proj.weight"),
                down=project(f"{at}mlp.down_proj.weight"),
            )
        )
    embedding_VD = take("model.embed_tokens.weight")
    return DecoderWeights(
        embedding_VD=embedding_VD,
        layers=tuple(layers),
        norm_D=take("model.norm.weight"),
        output=Projection(embedding_VD) if config.tied_embeddings else project("lm_head.weight"),
    )


def _rms_norm(x_TD: torch.Tensor, weight_D: torch.Tensor, eps: float) -> torch.Tensor:
    """Zhang & Sennrich 2019, arXiv 1910.07467; the mean square is taken in float32 whatever the dtype."""
    x32_TD = x_TD.float()
    scale_T1 = torch.rsqrt(torch.linalg.vector_norm(x32_TD, dim=-1, keepdim=True).square_().div_(x_TD.shape[1]) + eps)
    return weight_D * (x32_TD * scale_T1).to(x_TD.dtype)
