"""A checkpoint on disk, opened: a `.gguf` file, a folder that holds one, or a folder as the Hugging Face hub has it.

In: a path. Out: a `Checkpoint` with configuration, tokenizer, chat template and tensors that are read when taken, and,
of a model that sees, the same of its eyes: from the one hub folder, or from an `mmproj` file beside the text model's.
Everything is checked here; what comes out fits together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import CheckpointError
from seatrial.models.chat_template import ChatTemplate
from seatrial.models.config import ModelConfig, config_from_gguf, config_from_hf
from seatrial.models.fields import token_ids
from seatrial.models.mmproj import eyes_beside, text_model_in
from seatrial.models.quoting import quoted
from seatrial.models.tensors import expected_shapes, name_beside_eyes, vision_shapes
from seatrial.models.tokenizer import Tokenizer, tokenizer_from_gguf, tokenizer_from_json
from seatrial.models.vision_config import VISION_TYPES, PictureRules, VisionConfig
from seatrial.models.vision_reading import (
    PROCESSOR_FILES,
    picture_rules_from_hf,
    text_side,
    vision_config_from_hf,
    vision_from_gguf,
)
from seatrial.models.weights.gguf import decoder_tensors, vision_tensors
from seatrial.models.weights.gguf_header import read_header
from seatrial.models.weights.safetensors import SafetensorsFolder

if TYPE_CHECKING:
    import torch

# Tokens that end a turn in the family's vocabularies, for files that name only one of them.
_ENDINGS = ("<|im_end|>", "<end_of_utterance>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>")
_MAX_JSON_BYTES = 64 << 20
_PICTURE = "<image>"


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """How the checkpoint's makers want it sampled; greedy where they say nothing."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class VisionParts:
    """The eyes of a model: sizes, how pictures are prepared, and tensors by the names of `tensors.vision_shapes`."""

    config: VisionConfig
    rules: PictureRules
    tensors: Mapping[str, torch.Tensor]

    @property
    def num_weights(self) -> int:
        """How many numbers the encoder and the connector have."""
        return sum(math.prod(shape) for shape in vision_shapes(self.config).values())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything of a model but its decoder."""

    path: Path
    config: ModelConfig
    tokenizer: Tokenizer
    chat_template: ChatTemplate | None
    sampling: SamplingDefaults
    tensors: Mapping[str, torch.Tensor]
    vision: VisionParts | None = None


def open_checkpoint(path: Path, *, now: Callable[[], datetime]) -> Checkpoint:
    """Open and check. Raises CheckpointError or UnsupportedModel, naming the file and the field."""
    if path.is_dir() and not (path / "config.json").exists():
        path = text_model_in(path)
    checkpoint = _open_folder(path, now) if path.is_dir() else _open_gguf(path, now)
    if checkpoint.tokenizer.num_tokens > checkpoint.config.vocab_size:
        raise CheckpointError(
            f"the tokenizer has {checkpoint.tokenizer.num_tokens:,} tokens, "
            f"the embedding {checkpoint.config.vocab_size:,}",
            path=path,
        )
    beyond = next((i for i in checkpoint.tokenizer.prefix_ids if i >= checkpoint.config.vocab_size), None)
    if beyond is not None:
        raise CheckpointError(
            f"the tokenizer opens texts with token {beyond:,}, the embedding has {checkpoint.config.vocab_size:,}",
            path=path,
        )
    if checkpoint.vision is not None:
        _check_picture_token(checkpoint.vision.config, checkpoint, path)
    found = (checkpoint.tokenizer.token_id(token) for token in _ENDINGS)
    stop_ids = tuple(dict.fromkeys([*checkpoint.config.stop_ids, *(i for i in found if i is not None)]))
    return replace(checkpoint, config=replace(checkpoint.config, stop_ids=stop_ids))


def _check_picture_token(eyes: VisionConfig, checkpoint: Checkpoint, path: Path) -> None:
    found = checkpoint.tokenizer.token_id(_PICTURE)
    if found != eyes.image_token_id or found >= checkpoint.config.vocab_size:
        raise CheckpointError(
            f"pictures stand at token {eyes.image_token_id:,}, in the vocabulary `{_PICTURE}` is {quoted(found)}",
            path=path,
            field="image_token_id",
        )


def _open_gguf(path: Path, now: Callable[[], datetime]) -> Checkpoint:
    header = read_header(path)
    metadata = header.metadata
    if metadata.get("general.architecture") == "clip":
        raise CheckpointError(
            "holds the eyes of a model alone. Name the text model beside it, or the folder that holds both.", path=path
        )
    config = config_from_gguf(metadata, tied="output.weight" not in header.tensors, path=path)
    tensors = decoder_tensors(header, config)
    tokenizer = tokenizer_from_gguf(metadata, path)
    eyes = eyes_beside(path)
    source = metadata.get("tokenizer.chat_template")
    named = {f"{role}_token": metadata.get(f"tokenizer.ggml.{role}_token_id") for role in ("bos", "eos", "unknown")}
    spelled = {name: tokenizer.token_text(i) for name, i in named.items() if isinstance(i, int) and not i >> 31}
    return Checkpoint(
        path=path,
        config=config,
        tokenizer=tokenizer,
        chat_template=_template(source, {name: text for name, text in spelled.items() if text}, now, path),
        sampling=SamplingDefaults(),
        tensors=tensors,
        vision=None if eyes is None else _gguf_eyes(eyes, config, tokenizer),
    )


def _gguf_eyes(path: Path, config: ModelConfig, tokenizer: Tokenizer) -> VisionParts:
    header = read_header(path)
    picture = tokenizer.token_id(_PICTURE)
    if picture is None:
        reason = f"the text model's vocabulary has no `{_PICTURE}`: these eyes are not its own. Move the file away."
        raise CheckpointError(reason, path=path)
    eyes, rules = vision_from_gguf(header.metadata, image_token_id=picture, path=path)
    if eyes.text_hidden_size != config.hidden_size:
        raise CheckpointError(
            f"makes rows of {eyes.text_hidden_size:,} numbers, the text model beside it takes {config.hidden_size:,}. "
            "They are of two models.",
            path=path,
            field="clip.vision.projection_dim",
        )
    return VisionParts(eyes, rules, vision_tensors(header, eyes))


def _open_folder(folder: Path, now: Callable[[], datetime]) -> Checkpoint:
    config_path = folder / "config.json"
    raw = _json_object(config_path)
    sees = raw.get("model_type") in VISION_TYPES
    config = config_from_hf(text_side(raw, path=config_path) if sees else raw, path=config_path)
    generation_path = folder / "generation_config.json"
    generation = _json_object(generation_path) if generation_path.exists() else {}
    stops = token_ids(generation.get("eos_token_id"), "eos_token_id", generation_path)
    config = replace(config, stop_ids=tuple(dict.fromkeys([*config.stop_ids, *stops])))
    tokenizer_path = folder / "tokenizer_config.json"
    declared = _json_object(tokenizer_path) if tokenizer_path.exists() else {}
    source = _chat_template(folder, declared)
    tokenizer = tokenizer_from_json(folder / "tokenizer.json")
    tensors, vision = _folder_tensors(folder, config, raw if sees else None)
    return Checkpoint(
        path=folder,
        config=config,
        tokenizer=tokenizer,
        chat_template=_template(source, _special_tokens(declared), now, folder),
        sampling=_sampling(generation, generation_path),
        tensors=tensors,
        vision=vision,
    )


def _folder_tensors(
    folder: Path, config: ModelConfig, seeing: Mapping[str, Any] | None
) -> tuple[Mapping[str, torch.Tensor], VisionParts | None]:
    """The decoder's tensors, and the eyes of a model whose `config.json` is `seeing`."""
    shapes = expected_shapes(config)
    if seeing is None:
        return SafetensorsFolder(folder, shapes), None
    eyes = vision_config_from_hf(seeing, text_hidden_size=config.hidden_size, path=folder / "config.json")
    processors = {name: _json_object(folder / name) for name in PROCESSOR_FILES if (folder / name).exists()}
    rules = picture_rules_from_hf(processors, eyes, folder=folder)
    of_eyes = vision_shapes(eyes)
    both = SafetensorsFolder(
        folder, {**shapes, **of_eyes}, {name: name_beside_eyes(name) for name in (*shapes, *of_eyes)}
    )
    return both.part(shapes), VisionParts(eyes, rules, both.part(of_eyes))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise CheckpointError(f"larger than {_MAX_JSON_BYTES:,} bytes", path=path)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CheckpointError("this file is missing", path=path) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot be read: {error}", path=path) from error


def _json_object(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"not JSON: {error}", path=path) from error
    if not isinstance(raw, dict):
        raise CheckpointError("expected an object", path=path)
    return raw


def _chat_template(folder: Path, declared: Mapping[str, Any]) -> Any:
    """From the first place there is, in transformers' order: a file of its own (text, then JSON), the tokenizer's."""
    as_text, as_json = folder / "chat_template.jinja", folder / "chat_template.json"
    if as_text.exists():
        return _text(as_text)
    if as_json.exists():
        return _json_object(as_json).get("chat_template")
    return _default_template(declared.get("chat_template"))


def _default_template(declared: Any) -> Any:
    """The template itself, or the one named `default` of a list of them."""
    if isinstance(declared, list):
        named = {entry.get("name"): entry.get("template") for entry in declared if isinstance(entry, dict)}
        return named.get("default")
    return declared


def _template(source: Any, tokens: Mapping[str, str], now: Callable[[], datetime], path: Path) -> ChatTemplate | None:
    if source is None:
        return None
    if not isinstance(source, str):
        raise CheckpointError("expected text", path=path, field="chat_template")
    return ChatTemplate(source, now=now, tokens=tokens, path=path)


def _special_tokens(declared: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        token = declared.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            found[name] = token
    return found


def _sampling(generation: Mapping[str, Any], path: Path) -> SamplingDefaults:
    if not generation.get("do_sample"):
        return SamplingDefaults()
    temperature, top_k, top_p = (generation.get(name) for name in ("temperature", "top_k", "top_p"))
    for name, value, most in (
        ("temperature", temperature, 100),
        ("top_k", top_k, 1 << 31),
        ("top_p", top_p, 1_000_000),
    ):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most
        ):
            raise CheckpointError(f"{quoted(value)} is not a number from 0 to {most:,}", path=path, field=name)
    return SamplingDefaults(
        temperature=1.0 if temperature is None else float(temperature),
        top_k=int(top_k or 0) or None,
        top_p=float(top_p) if top_p and top_p < 1 else None,
    )
