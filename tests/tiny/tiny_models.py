"""Tiny checkpoints of the family, written as safetensors folders and as GGUF files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from seatrial.models.config import config_from_hf
from seatrial.models.tensors import expected_shapes
from seatrial.models.weights.gguf import gguf_name

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_tokens(special: Sequence[str] = SPECIAL, merges: Sequence[str] = MERGES) -> list[str]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return [*special, *alphabet, *(merge.replace(" ", "") for merge in merges)]


def tiny_tokenizer(special: Sequence[str] = SPECIAL, merges: Sequence[str] = MERGES) -> Tokenizer:
    vocabulary = {token: i for i, token in enumerate(tiny_tokens(special, merges))}
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


@dataclass
class TinyModel:
    """A random model: its `config.json`, its tensors by Hugging Face name, and what its vocabulary opens with."""

    raw: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    special: Sequence[str] = tuple(SPECIAL)
    template: str = TEMPLATE
    merges: Sequence[str] = tuple(MERGES)

    def write_folder(self, folder: Path, *, num_shards: int = 1) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.raw))
        tiny_tokenizer().save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"chat_template": TEMPLATE, "eos_token": "<|im_end|>"})
        )
        if num_shards == 1:
            save_file(self.tensors, folder / "model.safetensors")
            return folder
        placed = {name: f"model-{i % num_shards + 1:05}.safetensors" for i, name in enumerate(self.tensors)}
        for file in set(placed.values()):
            save_file({name: self.tensors[name] for name in placed if placed[name] == file}, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))
        return folder

    def write_gguf(self, path: Path, kind: str = "F32", *, extra: dict[str, Any] | None = None) -> Path:
        """As llama.cpp's converter writes it: query and key rows regrouped, norms in float32."""
        raw, kind_id = self.raw, gguf.GGMLQuantizationType[kind]
        writer = gguf.GGUFWriter(path, raw["model_type"])
        writer.add_block_count(raw["num_hidden_layers"])
        writer.add_context_length(raw["max_position_embeddings"])
        writer.add_embedding_length(raw["hidden_size"])
        writer.add_feed_forward_length(raw["intermediate_size"])
        writer.add_head_count(raw["num_attention_heads"])
        writer.add_head_count_kv(raw["num_key_value_heads"])
        writer.add_rope_freq_base(raw["rope_theta"])
        writer.add_layer_norm_rms_eps(raw["rms_norm_eps"])
        writer.add_vocab_size(raw["vocab_size"])
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        tokens = tiny_tokens(self.special, self.merges)
        writer.add_token_list(tokens)
        writer.add_token_types([3] * len(self.special) + [1] * (len(tokens) - len(self.special)))
        writer.add_token_merges(self.merges)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(False)
        writer.add_chat_template(self.template)
        for key, value in (extra or {}).items():
            getattr(writer, f"add_{key}")(value)
        for name, tensor in self.tensors.items():
            numbers = regrouped(name, tensor, raw).numpy()
            if tensor.dim() == 1 or kind == "F32":
                writer.add_tensor(gguf_name(name), numbers)
            else:
                packed = gguf.quantize(numbers, kind_id)
                writer.add_tensor(gguf_name(name), packed, raw_dtype=kind_id)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def rounded(self, kind: str) -> TinyModel:
        """The same model with its matrices as the format can hold them, by the gguf package."""
        kind_id = gguf.GGMLQuantizationType[kind]

        def through(name: str, tensor: torch.Tensor) -> torch.Tensor:
            if tensor.dim() == 1:
                return tensor
            numbers = gguf.dequantize(gguf.quantize(tensor.numpy(), kind_id), kind_id)
            return torch.from_numpy(np.ascontiguousarray(numbers)).float()

        return replace(self, tensors={name: through(name, tensor) for name, tensor in self.tensors.items()})


def regrouped(name: str, tensor: torch.Tensor, raw: dict[str, Any]) -> torch.Tensor:
    """llama.cpp's converter: each head's two halves are interleaved row by row, for queries and keys."""
    part = name.split(".")[-2]
    if part not in ("q_proj", "k_proj"):
        return tensor
    heads = raw["num_attention_heads"] if part == "q_proj" else raw["num_key_value_heads"]
    rows, columns = tensor.shape
    return tensor.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns).contiguous()


def tiny_model(model_type: str = "llama", **changes: Any) -> TinyModel:
    """A random model of 4 layers; keyword arguments override its `config.json`."""
    raw = {
        "model_type": model_type,
        "vocab_size": len(tiny_tokens()),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rope_theta": 10_000.0,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "eos_token_id": 2,
        **changes,
    }
    generator = torch.Generator().manual_seed(5)
    tensors = {
        name: torch.randn(shape, generator=generator) * 0.15
        if len(shape) == 2
        else torch.rand(shape, generator=generator) + 0.5
        for name, shape in expected_shapes(config_from_hf(raw)).items()
    }
    return TinyModel(raw, tensors)
