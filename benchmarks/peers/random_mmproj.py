"""The eyes of a catalog model with random weights as llama.cpp's `mmproj` file: what every engine opens.

In: a key of `random_model.eyes()`. Out: a file whose matrices are Q8_0 where their rows are whole blocks of 32, and F16
elsewhere, as llama.cpp's own quantiser leaves them; patches, places and vectors are F32. Seeded.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from random_gguf import write_random_gguf

from seatrial.engine.random_model import random_checkpoint
from seatrial.models.checkpoint import VisionParts
from seatrial.models.tensors import mmproj_name, vision_shapes


def write_random_pair(folder: Path, name: str) -> Path:
    """A text model in Q4_0 and its eyes, unless they are there. The text model's path; the other lies beside it."""
    folder = folder / f"{name}-random"
    vision = random_checkpoint(name, stored="Q4_0").vision
    assert vision is not None
    _write_mmproj(folder / f"mmproj-{name}-random-q8_0.gguf", vision)
    return write_random_gguf(folder / f"{name}-random-q4_0.gguf", name, inner="Q4_0", outer="Q4_0")


def _write_mmproj(path: Path, vision: VisionParts) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    config, rules, tensors = vision.config, vision.rules, vision.tensors
    writer = gguf.GGUFWriter(partial, "clip")
    writer.add_type("mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("idefics3")
    writer.add_vision_projection_dim(config.text_hidden_size)
    writer.add_vision_image_size(config.image_size)
    writer.add_vision_patch_size(config.patch_size)
    writer.add_vision_embedding_length(config.hidden_size)
    writer.add_vision_feed_forward_length(config.intermediate_size)
    writer.add_vision_block_count(config.num_layers)
    writer.add_vision_head_count(config.num_heads)
    writer.add_vision_attention_layernorm_eps(config.norm_eps)
    writer.add_vision_image_mean(list(rules.mean))
    writer.add_vision_image_std(list(rules.std))
    writer.add_vision_projector_scale_factor(config.scale_factor)
    writer.add_vision_preproc_image_size(rules.longest_edge)
    writer.add_vision_use_gelu(True)
    for tensor, shape in vision_shapes(config).items():
        numbers = tensors[tensor].numpy()
        if len(shape) != 2 or ".embeddings." in tensor:
            writer.add_tensor(mmproj_name(tensor), numbers)
            continue
        kind = gguf.GGMLQuantizationType.Q8_0 if shape[1] % 32 == 0 else gguf.GGMLQuantizationType.F16
        if kind == gguf.GGMLQuantizationType.F16:
            writer.add_tensor(mmproj_name(tensor), numbers.astype(np.float16))
        else:
            writer.add_tensor(mmproj_name(tensor), gguf.quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)
