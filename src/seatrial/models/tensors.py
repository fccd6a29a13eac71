"""Names and shapes of a model's tensors, as Hugging Face spells them, and as files spell them. Torch-free."""

from __future__ import annotations

import re

from seatrial.models.config import ModelConfig
from seatrial.models.vision_config import VisionConfig

Shapes = dict[str, tuple[int, ...]]

PROJECTION = "connector.proj.weight"
_LAYER_NAME = re.compile(r"vision_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_MMPROJ_PARTS = {
    "layer_norm1": "ln1",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.out_proj": "attn_out",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
_MMPROJ_OUTER = {
    "vision_model.embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "vision_model.embeddings.patch_embedding.bias": "v.patch_embd.bias",
    "vision_model.embeddings.position_embedding.weight": "v.position_embd.weight",
    "vision_model.post_layernorm.weight": "v.post_ln.weight",
    "vision_model.post_layernorm.bias": "v.post_ln.bias",
    PROJECTION: "mm.model.fc.weight",
}


def expected_shapes(config: ModelConfig) -> Shapes:
    """The name and shape of every tensor that a checkpoint of this configuration must hold."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    per_layer: Shapes = {
        "input_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "post_attention_layernorm.weight": (hidden,),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
    }
    shapes: Shapes = {"model.embed_tokens.weight": (config.vocab_size, hidden)}
    for index in range(config.num_layers):
        shapes.update({f"model.layers.{index}.{name}": shape for name, shape in per_layer.items()})
    shapes["model.norm.weight"] = (hidden,)
    if not config.tied_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, hidden)
    return shapes


def vision_shapes(config: VisionConfig) -> Shapes:
    """The name and shape of every tensor of the picture encoder and the connector.

    The patch embedding is [hidden, 3, patch, patch]; the connector takes `scale_factor` squared patches side by side.
    """
    hidden, inner, patch = config.hidden_size, config.intermediate_size, config.patch_size
    per_layer: Shapes = {
        **_with_bias("layer_norm1", hidden),
        **_with_bias("self_attn.q_proj", hidden, hidden),
        **_with_bias("self_attn.k_proj", hidden, hidden),
        **_with_bias("self_attn.v_proj", hidden, hidden),
        **_with_bias("self_attn.out_proj", hidden, hidden),
        **_with_bias("layer_norm2", hidden),
        **_with_bias("mlp.fc1", inner, hidden),
        **_with_bias("mlp.fc2", hidden, inner),
    }
    shapes = _with_bias("vision_model.embeddings.patch_embedding", hidden, 3, patch, patch)
    shapes["vision_model.embeddings.position_embedding.weight"] = (config.patches_per_side**2, hidden)
    for index in range(config.num_layers):
        shapes.update({f"vision_model.encoder.layers.{index}.{name}": shape for name, shape in per_layer.items()})
    shapes.update(_with_bias("vision_model.post_layernorm", hidden))
    shapes[PROJECTION] = (config.text_hidden_size, hidden * config.scale_factor**2)
    return shapes


def name_beside_eyes(name: str) -> str:
    """How the hub's SmolVLM files spell a tensor: `model.norm.weight` is `model.text_model.norm.weight` there."""
    if name == PROJECTION:
        return "model.connector.modality_projection.proj.weight"
    if name.startswith("vision_model."):
        return f"model.{name}"
    return name if name == "lm_head.weight" else f"model.text_model.{name.removeprefix('model.')}"


def mmproj_name(name: str) -> str:
    """How llama.cpp spells a vision tensor: `vision_model.encoder.layers.3.mlp.fc1.bias` is `v.blk.3.ffn_up.bias`."""
    match = _LAYER_NAME.fullmatch(name)
    return f"v.blk.{match[1]}.{_MMPROJ_PARTS[match[2]]}.{match[3]}" if match else _MMPROJ_OUTER[name]


def _with_bias(name: str, rows: int, *others: int) -> Shapes:
    return {f"{name}.weight": (rows, *others), f"{name}.bias": (rows,)}
