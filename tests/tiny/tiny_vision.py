"""Tiny random checkpoints of SmolVLM's architecture, written by transformers, and as GGUF pairs as llama.cpp has them.

The vocabulary has the special tokens of the published models (rows and columns up to 6), the chat template their shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from tiny_models import MERGES, TinyModel, tiny_tokenizer, tiny_tokens

from seatrial.models.tensors import mmproj_name, name_beside_eyes, vision_shapes
from seatrial.models.vision_reading import text_side, vision_config_from_hf

ROWS_AND_COLUMNS = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
VISION_SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    *ROWS_AND_COLUMNS,
]
# As in the published vocabulary an empty line is one token, which stands before the whole view.
VISION_MERGES = [*MERGES, "Ċ Ċ"]
VISION_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


@dataclass
class TinyVisionModel:
    """A random model as transformers has it (`reference`), and what its picture processor is told."""

    reference: Any
    processing: dict[str, Any]

    def write_folder(self, folder: Path, *, nested: bool = False, num_shards: int = 1) -> Path:
        """A folder as the hub has them; `nested`: processors in one file, as transformers 5 writes them."""
        size = sum(parameter.nbytes for parameter in self.reference.parameters())
        self.reference.save_pretrained(folder, max_shard_size=size // num_shards + size // (2 * num_shards))
        tiny_tokenizer(VISION_SPECIAL, VISION_MERGES).save(str(folder / "tokenizer.json"))
        named = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|im_start|>",
            "eos_token": "<end_of_utterance>",
            "unk_token": "<|endoftext|>",
            "pad_token": "<|im_end|>",
        }
        vision, scale = self.reference.config.vision_config, self.reference.config.scale_factor
        outer = {
            "processor_class": "SmolVLMProcessor",
            "image_seq_len": (vision.image_size // vision.patch_size // scale) ** 2,
        }
        pictures = {"image_processor_type": "SmolVLMImageProcessor", **self.processing}
        files: dict[str, Any] = {"tokenizer_config.json": named, "processor_config.json": outer}
        if nested:
            moving = {"video_processor_type": "SmolVLMVideoProcessor", **self.processing}
            outer.update(image_processor=pictures, video_processor=moving)
        else:
            files["preprocessor_config.json"] = pictures
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content))
        (folder / "chat_template.jinja").write_text(VISION_TEMPLATE)
        return folder

    def write_ggufs(self, folder: Path, kind: str = "F16", *, exchanged: bool = False, text_kind: str = "F32") -> Path:
        """A text model and its `mmproj` file; `exchanged`: feed-forward names the other way round, as early files."""
        folder.mkdir(parents=True, exist_ok=True)
        raw = self.reference.config.to_dict()
        text_raw = {**text_side(raw), "rope_theta": raw["text_config"]["rope_parameters"]["rope_theta"]}
        text = TinyModel(text_raw, self.text_tensors(), VISION_SPECIAL, VISION_TEMPLATE, VISION_MERGES)
        text.write_gguf(folder / f"tiny-{text_kind}.gguf", text_kind)
        return self.write_mmproj(folder / f"mmproj-tiny-{kind}.gguf", kind, exchanged=exchanged)

    def write_mmproj(self, path: Path, kind: str = "F16", *, exchanged: bool = False, **changes: Any) -> Path:
        """As llama.cpp's converter writes it; `changes` are further metadata, by key."""
        raw, kind_id = self.reference.config.to_dict(), gguf.GGMLQuantizationType[kind]
        vision, writer = raw["vision_config"], gguf.GGUFWriter(path, "clip")
        writer.add_type("mmproj")
        writer.add_clip_has_vision_encoder(True)
        writer.add_clip_projector_type(changes.pop("projector", "idefics3"))
        writer.add_vision_projection_dim(changes.pop("projection_dim", raw["text_config"]["hidden_size"]))
        writer.add_vision_image_size(vision["image_size"])
        writer.add_vision_patch_size(vision["patch_size"])
        writer.add_vision_embedding_length(vision["hidden_size"])
        writer.add_vision_feed_forward_length(vision["intermediate_size"])
        writer.add_vision_block_count(vision["num_hidden_layers"])
        writer.add_vision_head_count(vision["num_attention_heads"])
        writer.add_vision_attention_layernorm_eps(vision["layer_norm_eps"])
        writer.add_vision_image_mean(self.processing["image_mean"])
        writer.add_vision_image_std(self.processing["image_std"])
        writer.add_vision_projector_scale_factor(raw["scale_factor"])
        writer.add_vision_preproc_image_size(self.processing["size"]["longest_edge"])
        writer.add_vision_use_gelu(changes.pop("use_gelu", True))
        for key, value in changes.items():
            getattr(writer, f"add_{key}")(value)
        for name, tensor in self.vision_tensors().items():
            stored = mmproj_name(name)
            if exchanged:
                stored = stored.replace("ffn_up", "ffn_").replace("ffn_down", "ffn_up").replace("ffn_.", "ffn_down.")
            if tensor.dim() == 1 or ".embeddings." in name or kind == "F32":
                writer.add_tensor(stored, tensor.numpy())
            else:
                writer.add_tensor(stored, gguf.quantize(tensor.numpy(), kind_id), raw_dtype=kind_id)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def vision_tensors(self) -> dict[str, torch.Tensor]:
        """By the names of `vision_shapes`."""
        raw = self.reference.config.to_dict()
        config = vision_config_from_hf(raw, text_hidden_size=raw["text_config"]["hidden_size"])
        held = self.reference.state_dict()
        return {name: held[name_beside_eyes(name)].detach() for name in vision_shapes(config)}

    def text_tensors(self) -> dict[str, torch.Tensor]:
        """By the names of `expected_shapes`."""
        tied = self.reference.config.tie_word_embeddings
        return {
            name.replace("model.text_model.", "model."): tensor.detach().contiguous()
            for name, tensor in self.reference.state_dict().items()
            if name.startswith("model.text_model.") or (name == "lm_head.weight" and not tied)
        }


def tiny_vision_model(
    *, vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None, seed: int = 5, **changes: Any
) -> TinyVisionModel:
    """A random model that sees; `vision` and `text` override those halves of its configuration, the rest its outside.

    Tiles of 32 pixels, patches of 8, a scale factor of 2: 4 tokens a tile, at most 16 tiles and the whole view.
    `longest_edge`, `tile_edge`, `splits`, `fps` and `max_frames` set the processor.
    """
    longest, splits = changes.pop("longest_edge", 128), changes.pop("splits", True)
    sampling = {"fps": changes.pop("fps", 1), "max_frames": changes.pop("max_frames", 8)}
    config = _config(vision or {}, text or {}, changes)
    edge = config.vision_config.image_size
    torch.manual_seed(seed)
    reference = transformers.SmolVLMForConditionalGeneration(config).eval()
    reference.generation_config.eos_token_id = VISION_SPECIAL.index("<end_of_utterance>")
    _redraw(reference, torch.Generator().manual_seed(seed))
    processing = {
        "do_convert_rgb": True,
        "do_image_splitting": splits,
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "max_image_size": {"longest_edge": edge},
        "resample": 1,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": longest},
        "video_sampling": {**sampling, "video_size": {"longest_edge": edge}},
    }
    return TinyVisionModel(reference, processing)


def _config(vision: dict[str, Any], text: dict[str, Any], outside: dict[str, Any]) -> Any:
    eyes = {
        "model_type": "smolvlm_vision",
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        **vision,
    }
    words = {
        "model_type": "llama",
        "vocab_size": len(tiny_tokens(VISION_SPECIAL, VISION_MERGES)),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "rope_theta": 10_000.0,
        "rms_norm_eps": 1e-5,
        "bos_token_id": VISION_SPECIAL.index("<|im_start|>"),
        "eos_token_id": VISION_SPECIAL.index("<end_of_utterance>"),
        "pad_token_id": VISION_SPECIAL.index("<|im_end|>"),
        **text,
    }
    settings = {"scale_factor": 2, "image_token_id": VISION_SPECIAL.index("<image>"), "tie_word_embeddings": False}
    return transformers.SmolVLMConfig(vision_config=eyes, text_config=words, **{**settings, **outside})


@torch.no_grad()
def _redraw(reference: Any, generator: torch.Generator) -> None:
    """Weights large enough to tell: transformers' own 0.02 gives nearly uniform attention, which hides errors."""
    for name, parameter in reference.named_parameters():
        if parameter.dim() >= 2:
            spread = 0.3 if "embed" in name and "patch" not in name else 1.2 * parameter[0].numel() ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
        elif "norm" in name and name.endswith("weight"):
            parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.5)
        else:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
