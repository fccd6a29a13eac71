"""A GGUF file as the decoder's tensors.

In: a checked header and a configuration. Out: a lazy mapping from Hugging Face names to float32 tensors. llama.cpp
stores the rows of the query and key matrices in another order (its rotation pairs neighbours, ours pairs halves);
they are put back here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.config import ModelConfig
from seatrial.models.smollm import expected_shapes
from seatrial.models.weights.dequantise import dequantise
from seatrial.models.weights.gguf_header import GGUFHeader

_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER_NAME = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")


class GGUFTensors(Mapping[str, torch.Tensor]):
    """Tensors by Hugging Face name, dequantised to float32 when asked for.

    Raises at once: CheckpointError for an absent tensor or a wrong shape, UnsupportedModel for tensors that the
    configuration has no place for (biases, rope factors, experts).
    """

    def __init__(self, header: GGUFHeader, config: ModelConfig) -> None:
        self.header, self.config = header, config
        self.names = {name: gguf_name(name) for name in expected_shapes(config)}
        for name, shape in expected_shapes(config).items():
            place = header.tensors.get(self.names[name])
            if place is None:
                raise CheckpointError("this tensor is missing", path=header.path, field=self.names[name])
            if place.shape != shape:
                raise CheckpointError(
                    f"shape {list(place.shape)} where the configuration says {list(shape)}",
                    path=header.path,
                    field=place.name,
                )
        unknown = sorted(set(header.tensors) - set(self.names.values()))
        if unknown:
            raise UnsupportedModel("this tensor is not one we compute with", path=header.path, field=unknown[0])
        self.data = np.memmap(header.path, dtype=np.uint8, mode="r")

    def __getitem__(self, name: str) -> torch.Tensor:
        place = self.header.tensors[self.names[name]]
        raw = torch.from_numpy(np.array(self.data[place.start : place.start + place.num_bytes]))
        tensor = dequantise(raw, place.type.name).view(place.shape)
        if name.endswith("q_proj.weight"):
            return _halves_apart(tensor, self.config.num_heads)
        return _halves_apart(tensor, self.config.num_kv_heads) if name.endswith("k_proj.weight") else tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def gguf_name(name: str) -> str:
    """The GGUF name of a Hugging Face tensor: `model.layers.3.mlp.up_proj.weight` is `blk.3.ffn_up.weight`."""
    match = _LAYER_NAME.fullmatch(name)
    return f"blk.{match[1]}.{_PARTS[match[2]]}.weight" if match else _OUTER[name]


def _halves_apart(matrix: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Rows of each head from pairs side by side to halves: of a head of 4, rows (0, 2, 1, 3) become (0, 1, 2, 3)."""
    rows, columns = matrix.shape
    return matrix.view(num_heads, rows // num_heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)
