"""A GGUF file of a catalog model's shape with random weights, which every engine opens: same file, same numbers.

Weights are blocks of 4 or 8 bits from the start; layers and embedding may differ. Seeded; the vocabulary is made up.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from seatrial.engine.random_model import RandomTensors, eyes, plain_tokenizer, shapes
from seatrial.models.config import ModelConfig
from seatrial.models.weights.gguf import gguf_name

_FILE_TYPES = {"Q4_0": 2, "Q4_1": 3}
_LINE_BREAK = "Ċ"  # as byte-level vocabularies write it


def write_random_gguf(path: Path, name: str, *, inner: str, outer: str, seed: int = 0) -> Path:
    """Write the file unless it is there; a half-written one never carries its name.

    `name` is a key of `random_model.shapes()`. `inner` (Q4_0 or Q4_1) is the type of the layers' matrices, `outer` that
    of the embedding.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    config, partial = shapes()[name], path.with_suffix(".partial")
    tensors = RandomTensors(config, inner=inner, outer=outer, seed=seed)
    writer = gguf.GGUFWriter(partial, config.architecture)
    writer.add_file_type(_FILE_TYPES[inner])
    _add_metadata(writer, config, name)
    for tensor in tensors:
        kind, raw = tensors.blocks(tensor)
        is_vector = kind == "F32"
        shape = raw.view(np.float32).reshape(-1).shape if is_vector else raw.shape
        dtype = np.dtype(np.float32 if is_vector else np.uint8)
        stored = None if is_vector else gguf.GGMLQuantizationType[kind]
        writer.add_tensor_info(gguf_name(tensor), shape, dtype, raw.nbytes, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors:
        kind, raw = tensors.blocks(tensor)
        writer.write_tensor_data(raw.view(np.float32).reshape(-1) if kind == "F32" else raw)
    writer.close()
    return partial.rename(path)


def _add_metadata(writer: gguf.GGUFWriter, config: ModelConfig, name: str) -> None:
    writer.add_name(f"{name}, random weights")
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    backend = plain_tokenizer(config.vocab_size, marked=name in eyes()).backend
    tokens = [backend.id_to_token(token_id) for token_id in range(config.vocab_size)]
    merged = tokens[256]  # a byte-level vocabulary has merges; this one has the least that readers accept
    tokens[256] = tokens[0] + tokens[1]
    assert merged.startswith("word")
    merges = [f"{tokens[0]} {tokens[1]}"]
    if name in eyes():  # two line breaks, one token in the published vocabulary, stand before the whole view
        tokens[257] = 2 * _LINE_BREAK
        merges.append(f"{_LINE_BREAK} {_LINE_BREAK}")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    marks = backend.get_added_tokens_decoder()
    kinds = [gguf.TokenType.CONTROL if at in marks else gguf.TokenType.NORMAL for at in range(config.vocab_size)]
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config.vocab_size - 2)
    writer.add_eos_token_id(config.vocab_size - 1)
    writer.add_add_bos_token(False)
