"""What a checkpoint says about itself is checked, and what we cannot compute is refused by name."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import CheckpointError, UnsupportedModel
from seatrial.models.config import attention_factor, config_from_gguf, config_from_hf

SMOLLM3: dict[str, Any] = {
    "model_type": "smollm3",
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 11_008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "max_position_embeddings": 65_536,
    "rope_theta": 5_000_000.0,
    "rope_scaling": None,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": True,
    "eos_token_id": 128_012,
    "bos_token_id": 128_000,
    "layer_types": ["full_attention"] * 36,
    "use_sliding_window": False,
}
GGUF: dict[str, Any] = {
    "general.architecture": "smollm3",
    "smollm3.block_count": 8,
    "smollm3.context_length": 65_536,
    "smollm3.embedding_length": 64,
    "smollm3.feed_forward_length": 96,
    "smollm3.attention.head_count": 4,
    "smollm3.attention.head_count_kv": 2,
    "smollm3.attention.layer_norm_rms_epsilon": 1e-6,
    "smollm3.rope.freq_base": 5e6,
    "smollm3.rope.dimension_count": 16,
    "smollm3.vocab_size": 300,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.eot_token_id": 7,
}


def test_smollm3_3b() -> None:
    config = config_from_hf(SMOLLM3)
    assert (config.num_layers, config.head_dim, config.num_kv_heads, config.context_length) == (36, 128, 4, 65_536)
    assert [layer for layer, rotates in enumerate(config.rope_layers) if not rotates] == [
        3,
        7,
        11,
        15,
        19,
        23,
        27,
        31,
        35,
    ]
    assert config.tied_embeddings
    assert config.yarn is None
    assert config.stop_ids == (128_012,)


def test_yarn_as_smollm3_documents_it_doubles_the_context() -> None:
    scaling = {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 65_536}
    config = config_from_hf(SMOLLM3 | {"rope_scaling": scaling})
    assert config.context_length == 131_072
    assert config.yarn is not None
    assert config.yarn.attention_factor == pytest.approx(1.0693147)  # 0.1 ln 2 + 1


def test_both_spellings_of_rope_parameters_agree() -> None:
    scaling = {"factor": 4.0, "original_max_position_embeddings": 1024, "beta_fast": 16}
    old = config_from_hf(SMOLLM3 | {"rope_scaling": {"type": "yarn", **scaling}})
    new = config_from_hf(
        SMOLLM3 | {"rope_theta": None, "rope_parameters": {"rope_type": "yarn", "rope_theta": 5e6, **scaling}}
    )
    assert old == new


def test_attention_factor_of_two_mscales() -> None:
    assert attention_factor(40.0, 1.0, 1.0) == 1.0
    assert attention_factor(0.5) == 1.0


def test_gguf_metadata() -> None:
    config = config_from_gguf(GGUF, tied=False)
    assert config.rope_layers == (True, True, True, False) * 2
    assert config.stop_ids == (2, 7)
    assert not config.tied_embeddings
    stretched = config_from_gguf(
        GGUF
        | {
            "smollm3.rope.scaling.type": "yarn",
            "smollm3.rope.scaling.factor": 2.0,
            "smollm3.rope.scaling.original_context_length": 65_536,
        },
        tied=True,
    )
    assert stretched.context_length == 131_072


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"model_type": "qwen2"}, "model_type.*`qwen2`.*`llama`.*`smollm3`"),
        ({"hidden_act": "gelu"}, "hidden_act.*gelu.*silu"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8}}, "rope_type.*llama3.*yarn"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config.*gptq.*GGUF"),
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types.*sliding_attention"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    ],
)
def test_what_we_cannot_compute_is_refused_by_name(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(UnsupportedModel, match=names):
        config_from_hf(SMOLLM3 | changes, path="config.json")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"hidden_size": None}, "hidden_size.*whole number"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers.*1,024.*1000000000"),
        ({"num_attention_heads": True}, "num_attention_heads"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_key_value_heads": 3}, "16 query heads do not divide among 3"),
        ({"head_dim": 31}, "31 is odd"),
        ({"rope_theta": -1}, "rope_theta.*positive"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps"),
        ({"no_rope_layers": [1, 0]}, "no_rope_layers.*at least 36"),
        ({"eos_token_id": "two"}, "eos_token_id"),
        ({"eos_token_id": [1, 128_256]}, "128,256 lies outside a vocabulary of 128,256"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
    ],
)
def test_impossible_values_are_named(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(CheckpointError, match=names):
        config_from_hf(SMOLLM3 | changes, path="config.json")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"smollm3.rope.scaling.type": "linear"}, "rope.scaling.type.*linear"),
        ({"smollm3.rope.dimension_count": 8}, "rotates 8 of 16"),
        ({"smollm3.expert_count": 8}, "expert_count"),
    ],
)
def test_gguf_options_are_refused_by_name(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(UnsupportedModel, match=names):
        config_from_gguf(GGUF | changes, tied=True)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "factor", "x"]), inner),
    max_leaves=6,
)


@given(key=st.sampled_from([*SMOLLM3, "rope_parameters", "no_rope_layers", "head_dim"]), value=VALUES)
def test_any_value_anywhere_is_read_or_refused(key: str, value: Any) -> None:
    with contextlib.suppress(CheckpointError):
        config_from_hf(SMOLLM3 | {key: value}, path="config.json")


@given(key=st.sampled_from([*GGUF, "smollm3.rope.scaling.type", "smollm3.attention.key_length"]), value=VALUES)
def test_any_metadata_is_read_or_refused(key: str, value: Any) -> None:
    with contextlib.suppress(CheckpointError):
        config_from_gguf(GGUF | {key: value}, tied=True, path="model.gguf")
