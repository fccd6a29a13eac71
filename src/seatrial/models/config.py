"""What a checkpoint says about its own shape, checked once.

In: the dictionary of a `config.json`, or the metadata of a GGUF file. Out: a `ModelConfig`, the only description of
the architecture that the decoder reads. Anything we do not know how to compute (another architecture, activation,
rope scaling, bias, sliding window, quantisation method) is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.fields import LARGEST, Fields, token_ids
from seatrial.models.quoting import named, quoted

Architecture = Literal["llama", "smollm3"]
ARCHITECTURES = get_args(Architecture)
_STRETCH, _MAGNITUDE, _ROTATIONS = (1.0, 1e6), (1e-3, 1e3), (1e-6, 1e6)
_LLAMA_THETA, _SMOLLM3_THETA = 10_000.0, 2_000_000.0


@dataclass(frozen=True, slots=True)
class YarnScaling:
    """YaRN (Peng et al. 2023, arXiv 2309.00071, section 3), with the parameters and defaults of transformers.

    `factor` stretches the context from `original_context` tokens. `attention_factor` multiplies cos and sin.
    """

    factor: float
    original_context: int
    attention_factor: float
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One decoder of the SmolLM family. Sizes are counts; `context_length` is in tokens.

    `rope_layers[i]` says whether layer i rotates queries and keys; SmolLM3 leaves every fourth layer without (NoPE).
    `stop_ids` are the tokens that end an answer, `bos_id` the one that opens a plain text where the model wants it.
    """

    architecture: Architecture
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    norm_eps: float
    context_length: int
    rope_theta: float
    rope_layers: tuple[bool, ...]
    yarn: YarnScaling | None
    tied_embeddings: bool
    stop_ids: tuple[int, ...]
    bos_id: int | None


def config_from_hf(raw: Mapping[str, Any], *, path: Path | str | None = None) -> ModelConfig:
    """Read the dictionary of a Hugging Face `config.json`, as transformers 4 or 5 writes it.

    Raises CheckpointError (a field is absent or impossible) or UnsupportedModel (a named thing we do not compute).
    """
    fields = Fields(raw, path)
    architecture = _architecture(fields.text("model_type"), "model_type", path)
    _refuse_hf_options(fields, path)
    num_heads = fields.count("num_attention_heads", "heads")
    hidden_size = fields.count("hidden_size", "width")
    num_layers = fields.count("num_hidden_layers", "layers")
    context_length = fields.count("max_position_embeddings", "context")
    rope = _hf_rope(fields)
    theta = rope.number("rope_theta", _SMOLLM3_THETA if architecture == "smollm3" else _LLAMA_THETA)
    yarn = _hf_yarn(rope, context_length)
    return _validated(
        ModelConfig(
            architecture=architecture,
            vocab_size=fields.count("vocab_size", "vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=fields.count("intermediate_size", "width"),
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=fields.count("num_key_value_heads", "heads", num_heads),
            head_dim=fields.count("head_dim", "width", hidden_size // num_heads),
            norm_eps=fields.number("rms_norm_eps", 1e-6),
            context_length=_stretched(context_length, yarn),
            rope_theta=theta,
            rope_layers=_hf_rope_layers(fields, architecture, num_layers),
            yarn=yarn,
            tied_embeddings=fields.flag("tie_word_embeddings", architecture == "smollm3"),
            stop_ids=token_ids(raw.get("eos_token_id"), "eos_token_id", path),
            bos_id=next(iter(token_ids(raw.get("bos_token_id"), "bos_token_id", path)), None),
        ),
        path,
    )


def config_from_gguf(metadata: Mapping[str, Any], *, tied: bool, path: Path | str | None = None) -> ModelConfig:
    """Read GGUF metadata of llama.cpp's architectures `llama` and `smollm3`. `tied`: the file has no output matrix.

    llama.cpp stores no list of NoPE layers: in `smollm3` every fourth layer is one. Raises as `config_from_hf`.
    """
    fields = Fields(metadata, path)
    architecture = _architecture(fields.text("general.architecture"), "general.architecture", path)
    prefix = f"{architecture}."
    num_heads = fields.count(f"{prefix}attention.head_count", "heads")
    hidden_size = fields.count(f"{prefix}embedding_length", "width")
    _refuse_gguf_options(fields, prefix, hidden_size, num_heads)
    num_layers = fields.count(f"{prefix}block_count", "layers")
    context_length = fields.count(f"{prefix}context_length", "context")
    tokens = metadata.get("tokenizer.ggml.tokens")
    vocab_size = len(tokens) if isinstance(tokens, list) else None
    yarn = _gguf_yarn(fields, prefix, context_length)
    stop_keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    bos_key = "tokenizer.ggml.bos_token_id"
    return _validated(
        ModelConfig(
            architecture=architecture,
            vocab_size=fields.count(f"{prefix}vocab_size", "vocab_size", vocab_size),
            hidden_size=hidden_size,
            intermediate_size=fields.count(f"{prefix}feed_forward_length", "width"),
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=fields.count(f"{prefix}attention.head_count_kv", "heads", num_heads),
            head_dim=fields.count(f"{prefix}attention.key_length", "width", hidden_size // num_heads),
            norm_eps=fields.number(f"{prefix}attention.layer_norm_rms_epsilon"),
            context_length=_stretched(context_length, yarn),
            rope_theta=fields.number(f"{prefix}rope.freq_base", _LLAMA_THETA),
            rope_layers=tuple(architecture == "llama" or (layer + 1) % 4 != 0 for layer in range(num_layers)),
            yarn=yarn,
            tied_embeddings=tied,
            stop_ids=tuple(dict.fromkeys(i for key in stop_keys for i in token_ids(metadata.get(key), key, path))),
            bos_id=next(iter(token_ids(metadata.get(bos_key), bos_key, path)), None),
        ),
        path,
    )


def attention_factor(factor: float, mscale: float | None = None, mscale_all_dim: float | None = None) -> float:
    """What cos and sin are multiplied by under YaRN: 0.1 ln(factor) + 1 (arXiv 2309.00071, section 3.4)."""

    def magnitude(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    if mscale and mscale_all_dim:
        return magnitude(mscale) / magnitude(mscale_all_dim)
    return magnitude(1.0)


def _architecture(name: str, field: str, path: Path | str | None) -> Architecture:
    if name == "llama":
        return "llama"
    if name == "smollm3":
        return "smollm3"
    raise UnsupportedModel(
        f"architecture `{named(name)}` is not one we compute; known: `llama` (SmolLM2, SmolVLM2's text) and `smollm3`.",
        path=path,
        field=field,
    )


def _refuse_hf_options(fields: Fields, path: Path | str | None) -> None:
    raw = fields.raw
    activation = raw.get("hidden_act", "silu")
    if activation != "silu":
        raise UnsupportedModel(f"activation {quoted(activation)}; known: `silu`", path=path, field="hidden_act")
    if raw.get("quantization_config"):
        method = raw["quantization_config"]
        method = method.get("quant_method") if isinstance(method, dict) else method
        raise UnsupportedModel(
            f"quantisation {quoted(method)}; use a checkpoint in F32, F16 or BF16, or a GGUF file",
            path=path,
            field="quantization_config",
        )
    for key in ("attention_bias", "mlp_bias", "use_sliding_window"):
        if fields.flag(key, False):
            raise UnsupportedModel("this option is not one we compute", path=path, field=key)
    layer_types = raw.get("layer_types") or []
    if not isinstance(layer_types, list) or any(kind != "full_attention" for kind in layer_types):
        raise UnsupportedModel(f"{quoted(layer_types)}; known: `full_attention`", path=path, field="layer_types")


def _hf_rope(fields: Fields) -> Fields:
    """The rope parameters in one dictionary, whether written by transformers 4 (`rope_scaling`) or 5."""
    raw = fields.raw
    nested = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    if not isinstance(nested, dict):
        raise CheckpointError(f"expected an object, found {quoted(nested)}", path=fields.path, field="rope_parameters")
    merged = {"rope_theta": raw.get("rope_theta"), "partial_rotary_factor": raw.get("partial_rotary_factor"), **nested}
    if (merged["partial_rotary_factor"] or 1.0) != 1.0:
        raise UnsupportedModel("rotating a part of a head", path=fields.path, field="partial_rotary_factor")
    return Fields(merged, fields.path)


def _hf_yarn(rope: Fields, context_length: int) -> YarnScaling | None:
    kind = rope.raw.get("rope_type") or rope.raw.get("type") or "default"
    if kind == "default":
        return None
    if kind != "yarn":
        raise UnsupportedModel(
            f"rope scaling {quoted(kind)}; known: `default` and `yarn`", path=rope.path, field="rope_type"
        )
    original = rope.count("original_max_position_embeddings", "context", context_length)
    factor = rope.number("factor", context_length / original, within=_STRETCH)
    scale = attention_factor(
        factor, *(rope.number(key, None, within=_MAGNITUDE) for key in ("mscale", "mscale_all_dim"))
    )
    return YarnScaling(
        factor=factor,
        original_context=original,
        attention_factor=rope.number("attention_factor", scale, within=_MAGNITUDE),
        beta_fast=rope.number("beta_fast", 32.0, within=_ROTATIONS),
        beta_slow=rope.number("beta_slow", 1.0, within=_ROTATIONS),
        truncate=rope.flag("truncate", True),
    )


def _stretched(context_length: int, yarn: YarnScaling | None) -> int:
    """YaRN takes the model to `factor` times the original context even where the file still states the original."""
    return context_length if yarn is None else max(context_length, int(yarn.original_context * yarn.factor))


def _hf_rope_layers(fields: Fields, architecture: Architecture, num_layers: int) -> tuple[bool, ...]:
    if architecture == "llama":
        return (True,) * num_layers
    listed = fields.raw.get("no_rope_layers")
    if listed is None:
        interval = fields.count("no_rope_layer_interval", "layers", 4)
        return tuple((layer + 1) % interval != 0 for layer in range(num_layers))
    if not isinstance(listed, list) or len(listed) < num_layers or any(flag not in (0, 1) for flag in listed):
        raise CheckpointError(
            f"expected at least {num_layers} entries of 0 or 1, found {quoted(listed)}",
            path=fields.path,
            field="no_rope_layers",
        )
    return tuple(bool(flag) for flag in listed[:num_layers])


def _refuse_gguf_options(fields: Fields, prefix: str, hidden_size: int, num_heads: int) -> None:
    path = fields.path
    rotated = fields.raw.get(f"{prefix}rope.dimension_count")
    width = fields.raw.get(f"{prefix}attention.key_length") or hidden_size // num_heads
    if rotated is not None and rotated != width:
        raise UnsupportedModel(
            f"rotates {quoted(rotated)} of {quoted(width)} numbers per head; we rotate all",
            path=path,
            field=f"{prefix}rope.dimension_count",
        )
    for key in ("expert_count", "attention.sliding_window", "attention.clamp_kqv", "logit_scale", "residual_scale"):
        if fields.raw.get(prefix + key):
            raise UnsupportedModel("this option is not one we compute", path=path, field=prefix + key)


def _gguf_yarn(fields: Fields, prefix: str, context_length: int) -> YarnScaling | None:
    key = f"{prefix}rope.scaling.type"
    kind = fields.raw.get(key, "none")
    if kind == "none":
        return None
    if kind != "yarn":
        raise UnsupportedModel(f"rope scaling {quoted(kind)}; known: `none` and `yarn`", path=fields.path, field=key)
    factor = fields.number(f"{prefix}rope.scaling.factor", within=_STRETCH)
    scale = fields.number(f"{prefix}rope.scaling.attn_factor", 1.0, within=_MAGNITUDE)
    return YarnScaling(
        factor=factor,
        original_context=fields.count(f"{prefix}rope.scaling.original_context_length", "context", context_length),
        attention_factor=scale * attention_factor(factor),
        beta_fast=fields.number(f"{prefix}rope.scaling.yarn_beta_fast", 32.0, within=_ROTATIONS),
        beta_slow=fields.number(f"{prefix}rope.scaling.yarn_beta_slow", 1.0, within=_ROTATIONS),
    )


def _validated(config: ModelConfig, path: Path | str | None) -> ModelConfig:
    if config.num_heads % config.num_kv_heads:
        raise CheckpointError(
            f"{config.num_heads} query heads do not divide among {config.num_kv_heads} key-value heads",
            path=path,
            field="num_key_value_heads",
        )
    if config.head_dim % 2:
        raise CheckpointError(f"{config.head_dim} is odd; a rotated head is even", path=path, field="head_dim")
    if config.rope_theta <= 1:
        raise CheckpointError(f"{config.rope_theta} must exceed 1", path=path, field="rope_theta")
    if config.context_length > LARGEST["context"]:
        reason = f"it stretches the context to {config.context_length:,} tokens; {LARGEST['context']:,} are possible"
        raise CheckpointError(reason, path=path, field="factor")
    for token_id in (*config.stop_ids, *([] if config.bos_id is None else [config.bos_id])):
        if token_id >= config.vocab_size:
            raise CheckpointError(
                f"token id {token_id:,} lies outside a vocabulary of {config.vocab_size:,}", path=path, field="token id"
            )
    return config
