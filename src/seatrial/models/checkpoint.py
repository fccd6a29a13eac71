"""A checkpoint on disk, opened: a `.gguf` file, a folder that holds one, or a folder as the Hugging Face hub has it.

In: a path. Out: a `Checkpoint` with configuration, tokenizer, chat template and tensors that are read when taken.
Everything is checked here; what comes out fits together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import CheckpointError
from seatrial.models.chat_template import ChatTemplate
from seatrial.models.config import ModelConfig, config_from_gguf, config_from_hf
from seatrial.models.fields import token_ids
from seatrial.models.quoting import quoted
from seatrial.models.tokenizer import Tokenizer, tokenizer_from_gguf, tokenizer_from_json
from seatrial.models.weights.gguf import GGUFTensors
from seatrial.models.weights.gguf_header import read_header
from seatrial.models.weights.safetensors import SafetensorsFolder

if TYPE_CHECKING:
    import torch

# Tokens that end a turn in the family's vocabularies, for files that name only one of them.
_ENDINGS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>")
_MAX_JSON_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """How the checkpoint's makers want it sampled; greedy where they say nothing."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything of a model but its decoder."""

    path: Path
    config: ModelConfig
    tokenizer: Tokenizer
    chat_template: ChatTemplate | None
    sampling: SamplingDefaults
    tensors: Mapping[str, torch.Tensor]


def open_checkpoint(path: Path, *, now: Callable[[], datetime]) -> Checkpoint:
    """Open and check. Raises CheckpointError or UnsupportedModel, naming the file and the field."""
    if path.is_dir() and not (path / "config.json").exists():
        files = sorted(path.glob("*.gguf"))
        if not files:
            raise CheckpointError("holds no model: there is neither a config.json nor a .gguf file", path=path)
        if len(files) > 1:
            raise CheckpointError(
                f"holds {len(files)} .gguf files. Name the one to load, such as `{path / files[0].name}`.", path=path
            )
        path = files[0]
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
    found = (checkpoint.tokenizer.token_id(token) for token in _ENDINGS)
    stop_ids = tuple(dict.fromkeys([*checkpoint.config.stop_ids, *(i for i in found if i is not None)]))
    return replace(checkpoint, config=replace(checkpoint.config, stop_ids=stop_ids))


def _open_gguf(path: Path, now: Callable[[], datetime]) -> Checkpoint:
    header = read_header(path)
    metadata = header.metadata
    config = config_from_gguf(metadata, tied="output.weight" not in header.tensors, path=path)
    tensors = GGUFTensors(header, config)
    tokenizer = tokenizer_from_gguf(metadata, path)
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
    )


def _open_folder(folder: Path, now: Callable[[], datetime]) -> Checkpoint:
    config = config_from_hf(_json_object(folder / "config.json"), path=folder / "config.json")
    generation_path = folder / "generation_config.json"
    generation = _json_object(generation_path) if generation_path.exists() else {}
    stops = token_ids(generation.get("eos_token_id"), "eos_token_id", generation_path)
    config = replace(config, stop_ids=tuple(dict.fromkeys([*config.stop_ids, *stops])))
    tokenizer_path = folder / "tokenizer_config.json"
    declared = _json_object(tokenizer_path) if tokenizer_path.exists() else {}
    template_path = folder / "chat_template.jinja"
    source = _text(template_path) if template_path.exists() else _default_template(declared.get("chat_template"))
    return Checkpoint(
        path=folder,
        config=config,
        tokenizer=tokenizer_from_json(folder / "tokenizer.json"),
        chat_template=_template(source, _special_tokens(declared), now, folder),
        sampling=_sampling(generation, generation_path),
        tensors=SafetensorsFolder(folder, config),
    )


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
