"""What a model needs is said before it is taken, and the cache is bounded."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.memory import (
    MemoryNeed,
    check_weights_fit,
    context_bytes,
    kv_block_bytes,
    plan_cache,
    plan_memory,
    weights_bytes,
)
from seatrial.engine.runner import BLOCK_TOKENS
from seatrial.errors import NotRunnable, UsageError
from seatrial.models.config import ModelConfig, config_from_hf
from seatrial.models.precision import choose_formats
from seatrial.models.tensors import expected_shapes

GB = 1_000_000_000


def smollm3() -> ModelConfig:
    return config_from_hf(
        {
            "model_type": "smollm3",
            "vocab_size": 128_256,
            "hidden_size": 2048,
            "intermediate_size": 11_008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "max_position_embeddings": 65_536,
        }
    )


def smollm2() -> ModelConfig:
    return config_from_hf(
        {
            "model_type": "llama",
            "vocab_size": 49_152,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "max_position_embeddings": 8192,
            "tie_word_embeddings": True,
        }
    )


def stored(config: ModelConfig, kind: str) -> dict[str, str]:
    return dict.fromkeys(expected_shapes(config), kind)


def test_weights_of_smollm3_in_every_format() -> None:
    """3.075 billion numbers: 2, 17/16, 5/8 or 9/16 bytes each, and norms."""
    config = smollm3()
    numbers = sum(a * b for a, b in (shape for shape in expected_shapes(config).values() if len(shape) == 2))
    norms = 73 * 2048 * 4
    for kind, per_number in (("BF16", 2.0), ("Q8_0", 34 / 32), ("Q4_1", 20 / 32), ("Q4_0", 18 / 32)):
        found = weights_bytes(config, choose_formats(config, stored(config, kind), "auto"))
        assert found == numbers * per_number + norms


def test_a_block_and_a_context() -> None:
    config = smollm2()
    assert kv_block_bytes(config, "bf16") == 360 * 1024
    assert kv_block_bytes(config, "int8") == 30 * 2 * 3 * 16 * (64 + 4)
    assert context_bytes(config, "bf16", 32_768) == 2048 * 360 * 1024
    assert context_bytes(config, "bf16", 17) == 2 * 360 * 1024


def test_weights_that_do_not_fit_name_the_dtype_that_does() -> None:
    config = smollm3()
    kinds = stored(config, "F32")

    def check(dtype: str, free: int) -> int:
        return check_weights_fit(config, kinds, dtype=dtype, free_bytes=free, model="smollm3-3b")

    assert check("auto", 7 * GB) == pytest.approx(6.15 * GB, rel=0.001)
    with pytest.raises(
        NotRunnable,
        match=r"weights of `smollm3-3b` take 6\.2 GB as stored; 4\.0 GB are free\. "
        r"As `int8` they take 3\.3 GB: ask for `smollm3-3b@int8`\.",
    ):
        check("auto", 4 * GB)
    with pytest.raises(NotRunnable, match=r"take 6\.2 GB as `bfloat16`; 2\.5 GB.*`int4` they take 2\.0 GB"):
        check("bfloat16", 5 * GB // 2)
    with pytest.raises(NotRunnable, match=r"take 2\.0 GB as `int4`; 1\.0 GB are free\. Free memory, or"):
        check("int4", GB)
    assert check_weights_fit(config, kinds, dtype="auto", free_bytes=None, model="x") > 6 * GB


def test_the_cache_holds_one_context_or_a_moderate_one_for_each() -> None:
    config, block = smollm2(), kv_block_bytes(smollm2(), "bf16")
    assert plan_cache(config, block, None, max_sequences=2) == 8192 // 16
    assert plan_cache(config, block, None, max_sequences=32) == 32 * 2048 // 16
    assert plan_cache(config, block, None, max_sequences=32, context=100) == 32 * 7
    assert plan_cache(config, block, 1000 * block, max_sequences=32) == 512  # one context, though more than half
    assert plan_cache(config, block, 4000 * block, max_sequences=32) == 2000  # half of what is free
    assert plan_cache(config, block, 20 * GB, max_sequences=1, context=32_768) * block == 2048 * 360 * 1024


def test_a_context_that_does_not_fit_names_one_that_does() -> None:
    config = smollm3()
    block = kv_block_bytes(config, "bf16")
    with pytest.raises(
        NotRunnable, match=r"context of 65,536 tokens takes 4\.8 GB of KV cache; 3\.0 GB are free\. A context of"
    ) as caught:
        plan_cache(config, block, 3 * GB, max_sequences=4)
    plain, narrow = (
        int(found.replace(",", "")) for found in re.findall(r"[\d,]+(?= tokens fits| in an)", str(caught.value))
    )
    plan_cache(config, block, 3 * GB, max_sequences=4, context=plain)
    with pytest.raises(NotRunnable):
        plan_cache(config, block, 3 * GB, max_sequences=4, context=plain + BLOCK_TOKENS)
    assert plain < 3 * GB // block * BLOCK_TOKENS < narrow
    with pytest.raises(NotRunnable, match=r"of KV cache; 0\.0 MB are free\. Free memory"):
        plan_cache(config, block, 0, max_sequences=1)
    with pytest.raises(NotRunnable, match=r"fits\.$"):
        plan_cache(config, kv_block_bytes(config, "int8"), GB, max_sequences=1)


def test_counts_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="`context` is 0"):
        plan_cache(smollm2(), 1, None, max_sequences=1, context=0)
    with pytest.raises(UsageError, match="`max_sequences` is 0"):
        plan_cache(smollm2(), 1, None, max_sequences=0)


@given(
    free=st.integers(0, 1 << 36),
    max_sequences=st.integers(1, 64),
    context=st.one_of(st.none(), st.integers(1, 1 << 17)),
    cache=st.sampled_from(["bf16", "int8"]),
)
def test_never_less_than_a_context_and_never_more_than_there_is(
    free: int, max_sequences: int, context: int | None, cache: str
) -> None:
    config = smollm2()
    block = kv_block_bytes(config, "bf16" if cache == "bf16" else "int8")
    one = -(-(context or 8192) // BLOCK_TOKENS)
    try:
        found = plan_cache(config, block, free, max_sequences=max_sequences, context=context)
    except NotRunnable:
        assert one * block > free * 0.9 - block
        return
    assert found >= one
    assert found * block <= free * 0.9
    assert found == one or found * block <= free / 2


def test_the_whole_need_is_said() -> None:
    config = smollm2()
    need = plan_memory(
        config,
        stored(config, "Q4_1"),
        dtype="auto",
        cache="bf16",
        free_bytes=2 * GB,
        max_sequences=1,
        context=32_768,
        model="smollm2-135m",
    )
    assert need.total_bytes == need.weights_bytes + need.cache_bytes
    assert str(need) == "84.2 MB for weights and 755.0 MB for a cache of 32,768 tokens, 839.2 MB in all"
    with pytest.raises(NotRunnable, match=r"context of 32,768 tokens takes 755\.0 MB of KV cache; 515\.8 MB are free"):
        plan_memory(
            config,
            stored(config, "Q4_1"),
            dtype="auto",
            cache="bf16",
            free_bytes=600_000_000,
            max_sequences=1,
            context=32_768,
            model="smollm2-135m",
        )


def test_a_model_that_sees_needs_its_eyes_and_room_for_what_they_see() -> None:
    config = smollm2()
    kinds = stored(config, "Q4_1")

    def plan(dtype: str, free: int = 2 * GB) -> MemoryNeed:
        return plan_memory(
            config,
            kinds,
            dtype=dtype,
            cache="bf16",
            free_bytes=free,
            max_sequences=1,
            context=8192,
            model="eyes",
            num_eye_weights=93_000_000,
        )

    need = plan("auto")
    assert need.eyes_bytes == 186_000_000
    assert plan("int4").eyes_bytes == plan("int8").eyes_bytes == 93_000_000 * 34 // 32
    assert need.picture_bytes == 8192 * config.hidden_size * 4
    assert need.total_bytes == need.weights_bytes + need.eyes_bytes + need.cache_bytes + need.picture_bytes
    assert str(need) == (
        "84.2 MB for weights, 186.0 MB for those that see, 18.9 MB for what was seen and 188.7 MB for a cache of "
        "8,192 tokens, 477.8 MB in all"
    )
    with pytest.raises(NotRunnable, match=r"weights of `eyes` take 270\.2 MB as stored; 200\.0 MB are free"):
        plan("auto", 200_000_000)
