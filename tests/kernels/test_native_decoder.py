"""The native decoder against the plain PyTorch one, and against itself: batched, chunked, threaded."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.errors import UsageError
from seatrial.kernels import cpu, reference
from seatrial.models.config import ModelConfig
from seatrial.models.frequencies import inverse_frequencies
from seatrial.models.smollm import Decoder, DecoderWeights, LayerWeights
from seatrial.models.tensors import expected_shapes

pytestmark = pytest.mark.skipif(cpu.why_absent() is not None, reason="the native kernels are not built")
LLAMA = ModelConfig(
    architecture="llama", vocab_size=99, hidden_size=96, intermediate_size=160, num_layers=2, num_heads=6,
    num_kv_heads=2, head_dim=16, norm_eps=1e-5, context_length=256, rope_theta=10_000.0, rope_layers=(True, True),
    yarn=None, tied_embeddings=True, stop_ids=(), bos_id=None,
)  # fmt: skip
CONFIGS = {
    "llama, 3 queries to a key": LLAMA,
    "smollm3, every other layer without rotation, 4 queries to a key": replace(
        LLAMA, architecture="smollm3", num_layers=4, num_heads=4, num_kv_heads=1, head_dim=64, rope_theta=2e6,
        rope_layers=(True, False, True, False), tied_embeddings=False,
    ),
    "heads of 128": replace(LLAMA, num_heads=3, num_kv_heads=1, head_dim=128, hidden_size=64),
}  # fmt: skip
TOKENS = np.random.default_rng(11).integers(0, 99, 70).astype(np.int32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@dataclass
class RandomModel:
    """Random numbers by tensor name, packed in one format."""

    config: ModelConfig
    format: str
    numbers: dict[str, np.ndarray]

    @staticmethod
    def of(config: ModelConfig, format: str) -> RandomModel:
        rng, numbers = np.random.default_rng(3), {}
        for name, shape in expected_shapes(config).items():
            scale = 1.0 if "embed" in name else shape[-1] ** -0.5
            drawn = rng.uniform(0.5, 1.5, shape) if len(shape) == 1 else rng.standard_normal(shape) * scale
            numbers[name] = drawn.astype(np.float32)
        return RandomModel(config, format, numbers)

    def packed(self, *names: str) -> cpu.PackedWeight:
        parts = [("F32", self.numbers[name]) for name in names]
        return cpu.pack(parts, self.numbers[names[0]].shape[1], self.format)

    def native(self, *, threads: int = 1, level: str | None = None, num_blocks: int = 32, cache: str = "bf16"):
        layers = []
        for index in range(self.config.num_layers):
            at = f"model.layers.{index}."
            layers.append(
                cpu.LayerWeights(
                    attention_norm=self.numbers[f"{at}input_layernorm.weight"],
                    qkv=self.packed(*(f"{at}self_attn.{part}_proj.weight" for part in "qkv")),
                    output=self.packed(f"{at}self_attn.o_proj.weight"),
                    mlp_norm=self.numbers[f"{at}post_attention_layernorm.weight"],
                    gate_up=self.packed(f"{at}mlp.gate_proj.weight", f"{at}mlp.up_proj.weight"),
                    down=self.packed(f"{at}mlp.down_proj.weight"),
                )
            )
        embedding = self.packed("model.embed_tokens.weight")
        decoder = cpu.Decoder(
            self.config,
            embedding=embedding,
            layers=layers,
            norm=self.numbers["model.norm.weight"],
            output=embedding if self.config.tied_embeddings else self.packed("lm_head.weight"),
            frequencies=inverse_frequencies(self.config),
            rope_scale=1.0,
            threads=threads,
            level=level,
        )
        decoder.allocate(num_blocks, cache)
        return decoder

    def plain(self) -> Decoder:
        """The PyTorch decoder with the same numbers, its inputs of products rounded to int8 where ours are."""

        def product(*names: str):
            weight = torch.from_numpy(cpu.dequantise(self.packed(*names)))
            return lambda x: reference.matmul(weight, x.contiguous(), integer=self.format != "bf16").float()

        def norm(name: str) -> torch.Tensor:
            return torch.from_numpy(self.numbers[name])

        layers = []
        for index in range(self.config.num_layers):
            at = f"model.layers.{index}."
            layers.append(
                LayerWeights(
                    attention_norm_D=norm(f"{at}input_layernorm.weight"),
                    qkv=product(*(f"{at}self_attn.{part}_proj.weight" for part in "qkv")),
                    output=product(f"{at}self_attn.o_proj.weight"),
                    mlp_norm_D=norm(f"{at}post_attention_layernorm.weight"),
                    gate_up=product(f"{at}mlp.gate_proj.weight", f"{at}mlp.up_proj.weight"),
                    down=product(f"{at}mlp.down_proj.weight"),
                )
            )
        embedding = torch.from_numpy(cpu.dequantise(self.packed("model.embed_tokens.weight")))
        output = product("model.embed_tokens.weight" if self.config.tied_embeddings else "lm_head.weight")
        return Decoder(self.config, DecoderWeights(embedding, tuple(layers), norm("model.norm.weight"), output))


class WholeSequence:
    """Attention over one sequence that is computed in one pass, keys and values rounded to bfloat16."""

    def attend(self, layer: int, q_TNH: torch.Tensor, k_TKH: torch.Tensor, v_TKH: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(0, 1) for x in (q_TNH, k_TKH.bfloat16().float(), v_TKH.bfloat16().float()))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(0, 1).flatten(1)


def plain_logits(model: RandomModel, tokens: np.ndarray) -> np.ndarray:
    decoder, ids = model.plain(), torch.from_numpy(tokens).long()
    return decoder.logits(decoder.hidden(ids, torch.arange(len(ids)), len(ids), WholeSequence())).numpy()


def run(decoder, tokens: np.ndarray, table: np.ndarray, *, start: int = 0) -> np.ndarray:
    """Scores of every token of one sequence, computed in one pass from position `start` on."""
    count = len(tokens)
    positions = np.arange(start, start + count, dtype=np.int32)
    return decoder.forward(tokens, positions, ints(0, count), table[None], np.arange(count, dtype=np.int32)).copy()


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("format", ["bf16", "q8_0", "q4_1", "q4_0"])
@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_those_of_the_plain_decoder(name: str, format: str, level: str) -> None:
    """Both round weights, inputs of products and the cache alike.

    What is left: an input of a product on the border between two int8 codes may fall to either side, and moves by
    1/127 of its group's largest; with hundreds of them on the way that is about 1 % of the scores. In bf16 a few keys
    fall to the other side by 1/256 of themselves. A wrong scale or a token too few in sight shows as 10 % and more.
    """
    model = RandomModel.of(CONFIGS[name], format)
    found = run(model.native(level=level), TOKENS, np.arange(8, dtype=np.int32))
    assert relative_error(found, plain_logits(model, TOKENS)) < (1e-3 if format == "bf16" else 2e-2)


@pytest.mark.parametrize("level", cpu.levels())
def test_an_int8_cache_costs_little(level: str) -> None:
    """One scale for a head's 16 to 128 numbers: 1/254 of the largest at most; less than 1 % of the scores."""
    model, table = RandomModel.of(LLAMA, "bf16"), np.arange(8, dtype=np.int32)
    found = run(model.native(level=level, cache="int8"), TOKENS, table)
    assert relative_error(found, plain_logits(model, TOKENS)) < 1e-2


@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("format", ["bf16", "q8_0", "q4_1", "q4_0"])
@pytest.mark.parametrize("cache", ["bf16", "int8"])
def test_in_chunks_is_as_at_once(level: str, format: str, cache: str) -> None:
    decoder = RandomModel.of(LLAMA, format).native(level=level, cache=cache)
    whole = run(decoder, TOKENS, np.arange(8, dtype=np.int32))
    for sizes in ((1,) * 70, (16, 16, 16, 16, 6), (5, 40, 1, 24), (69, 1)):
        table, at, parts = np.arange(20, 12, -1).astype(np.int32), 0, []
        for size in sizes:
            parts.append(run(decoder, TOKENS[at : at + size], table, start=at))
            at += size
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("level", cpu.levels())
@settings(deadline=None, max_examples=15)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 33), st.integers(1, 20)), min_size=1, max_size=6),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_together_is_as_alone(level: str, lengths: list[tuple[int, int]], threads: int, seed: int) -> None:
    """Sequences with `before` positions computed and `new` ones in the pass, in any mixture and on any threads."""
    rng = np.random.default_rng(seed)
    model = RandomModel.of(LLAMA, "q4_1")
    tables = rng.permutation(len(lengths) * 4).astype(np.int32).reshape(-1, 4)
    texts = [rng.integers(0, 99, before + new).astype(np.int32) for before, new in lengths]
    alone, together = model.native(level=level), model.native(level=level, threads=threads)
    expected = []
    for (before, _), text, table in zip(lengths, texts, tables, strict=True):
        expected.append(run(alone, text, table)[before:])
        if before:
            run(together, text[:before], table)
    counts = [new for _, new in lengths]
    found = together.forward(
        np.concatenate([text[before:] for (before, _), text in zip(lengths, texts, strict=True)]),
        np.concatenate([np.arange(before, before + new) for before, new in lengths]).astype(np.int32),
        np.cumsum([0, *counts]).astype(np.int32),
        tables,
        np.arange(sum(counts), dtype=np.int32),
    )
    np.testing.assert_array_equal(found, np.concatenate(expected))
    together.close()


@pytest.mark.parametrize("level", cpu.levels())
def test_only_the_wanted_rows_come_in_the_wanted_order(level: str) -> None:
    decoder, table = RandomModel.of(LLAMA, "q8_0").native(level=level, threads=2), np.arange(8, dtype=np.int32)
    whole = run(decoder, TOKENS, table)
    positions, starts = np.arange(70, dtype=np.int32), ints(0, 70)
    for rows in ([69], [], [3, 60, 3], [5, 4]):
        found = decoder.forward(TOKENS, positions, starts, table[None], np.array(rows, np.int32))
        np.testing.assert_array_equal(found, whole[rows].reshape(len(rows), 99))
    one = decoder.forward(TOKENS[:1], ints(0), ints(0, 1), table[None], ints(0, 0))
    np.testing.assert_array_equal(one, whole[[0, 0]])


@pytest.mark.parametrize("level", cpu.levels())
@pytest.mark.parametrize("format", ["bf16", "q8_0", "q4_1", "q4_0"])
@pytest.mark.parametrize("name", CONFIGS)
def test_hidden_states_are_those_that_scores_are_made_of(name: str, format: str, level: str) -> None:
    """Of the plain decoder up to rounding, as above; and times the output matrix they are the scores, bit for bit."""
    model, table, rows = RandomModel.of(CONFIGS[name], format), np.arange(8, dtype=np.int32), ints(69, 3, 40, 3)
    decoder = model.native(level=level, threads=2)
    where = (TOKENS, np.arange(70, dtype=np.int32), ints(0, 70), table[None], rows)
    found = decoder.hidden(*where).copy()
    plain, ids = model.plain(), torch.from_numpy(TOKENS).long()
    expected = plain.hidden(ids, torch.arange(70), 70, WholeSequence()).numpy()[rows]
    assert relative_error(found, expected) < (1e-3 if format == "bf16" else 2e-2)
    output = "model.embed_tokens.weight" if model.config.tied_embeddings else "lm_head.weight"
    scores = cpu.matmul(level, model.packed(output), found)
    np.testing.assert_array_equal(decoder.forward(*where), scores)


def test_hidden_states_in_chunks_and_between_passes_for_scores() -> None:
    decoder, table = RandomModel.of(LLAMA, "q4_1").native(threads=2), np.arange(8, dtype=np.int32)
    every = np.arange(70, dtype=np.int32)
    whole = decoder.hidden(TOKENS, every, ints(0, 70), table[None], every).copy()
    parts = []
    for start, end in ((0, 1), (1, 17), (17, 64), (64, 70)):
        count = end - start
        rows = np.arange(count, dtype=np.int32)
        run(decoder, TOKENS[:5], ints(30))
        step = (TOKENS[start:end], np.arange(start, end, dtype=np.int32), ints(0, count), table[None], rows)
        parts.append(decoder.hidden(*step).copy())
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert decoder.hidden(ints(), ints(), ints(0), np.zeros((0, 0), np.int32), ints()).shape == (0, 96)
    with pytest.raises(ValueError, match="Token id 99"):
        decoder.hidden(**{**GOOD, "tokens": ints(1, 99)})


def test_an_empty_pass_and_a_sequence_without_tokens_are_fine() -> None:
    decoder, none = RandomModel.of(LLAMA, "q8_0").native(), ints()
    assert decoder.forward(none, none, ints(0), np.zeros((0, 0), np.int32), none).shape == (0, 99)
    tables = ints(0, 1, 2).reshape(3, 1)
    found = decoder.forward(TOKENS[:2], ints(0, 0), ints(0, 1, 1, 2), tables, ints(0, 1)).copy()
    np.testing.assert_array_equal(found[0], run(decoder, TOKENS[:1], ints(3))[0])


def test_damaged_weights_fail_loudly_in_the_sequence_that_meets_them() -> None:
    model = RandomModel.of(replace(LLAMA, tied_embeddings=False), "q8_0")
    model.numbers["model.embed_tokens.weight"][7, 3] = np.nan
    decoder = model.native()
    tables = ints(0, 1).reshape(2, 1)
    found = decoder.forward(ints(5, 7, 5, 9), ints(0, 1, 0, 1), ints(0, 2, 4), tables, ints(0, 1, 2, 3))
    assert np.isfinite(found[[0, 2, 3]]).all()
    assert not np.isfinite(found[1]).any()


def test_memory_of_a_block_is_said_and_taken() -> None:
    decoder = RandomModel.of(LLAMA, "q8_0").native()
    assert decoder.block_bytes == 2 * 2 * 2 * 16 * 16 * 2  # keys and values, layers, heads, numbers, positions, bytes
    assert decoder.bytes_of_block("int8") == 2 * 2 * 2 * 16 * (16 + 4)
    decoder.allocate(4, "int8")
    assert decoder.block_bytes == decoder.bytes_of_block("int8")
    with pytest.raises(MemoryError):
        decoder.allocate(2**31 - 1)
    with pytest.raises(ValueError, match="num_blocks"):
        decoder.allocate(0)
    with pytest.raises(ValueError, match="`fp4`"):
        decoder.allocate(1, "fp4")


GOOD = {
    "tokens": ints(1, 2), "positions": ints(0, 1), "starts": ints(0, 2), "tables": ints(3).reshape(1, 1),
    "rows": ints(1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tokens": ints(1, 99)}, "Token id 99 is outside the vocabulary of 99"),
        ({"tokens": ints(-1, 2)}, "Token id -1"),
        ({"positions": ints(0)}, "2 tokens came with 1 positions"),
        ({"positions": ints(1, 1)}, "1 follows 1"),
        ({"positions": ints(-5, 1)}, "rise from 0"),
        ({"positions": ints(0, 16)}, "needs 2 blocks; `tables` has room for 1"),
        ({"positions": ints(0, 2**31 - 1)}, "blocks"),
        ({"starts": ints(0, 1)}, "end with the 2 tokens"),
        ({"starts": ints(1, 2)}, "begin with 0"),
        ({"starts": ints(0, 1, 2)}, "`starts` has 3 entries"),
        ({"starts": ints(0, 3, 2), "tables": ints(3, 3).reshape(2, 1)}, "must not fall"),
        ({"tables": ints(32).reshape(1, 1)}, "Block 32 .* outside the cache of 32 blocks"),
        ({"tables": ints(-1).reshape(1, 1)}, "Block -1"),
        ({"rows": ints(2)}, "Row 2"),
        ({"rows": ints(-1)}, "Row -1"),
    ],
)
def test_what_is_out_of_range_is_refused_and_does_no_harm(changed: dict, message: str) -> None:
    decoder = RandomModel.of(LLAMA, "q8_0").native(threads=2)
    before = decoder.forward(**GOOD).copy()
    with pytest.raises(ValueError, match=message):
        decoder.forward(**{**GOOD, **changed})
    np.testing.assert_array_equal(decoder.forward(**GOOD), before)


@pytest.mark.parametrize("wrong", [np.arange(2), np.zeros(2, np.float32), ints(1, 0, 2, 0)[::2], [0, 1]])
def test_only_contiguous_int32_arrays_are_taken(wrong: object) -> None:
    decoder = RandomModel.of(LLAMA, "q8_0").native()
    with pytest.raises(TypeError):
        decoder.forward(**{**GOOD, "positions": wrong})


def test_parts_that_do_not_fit_together_are_named() -> None:
    model = RandomModel.of(LLAMA, "q8_0")
    for wrong, message in (
        (replace(LLAMA, intermediate_size=128), r"`layers\[0\].gate_up` is 320 x 96; the configuration says 256 x 96"),
        (replace(LLAMA, vocab_size=98), "`embedding` is 99 x 96"),
        (replace(LLAMA, rope_layers=(True,)), "2 layers came with 1"),
        (replace(LLAMA, num_kv_heads=4), "not a multiple of 4"),
    ):
        with pytest.raises(ValueError, match=message):
            RandomModel(wrong, "q8_0", model.numbers).native()
    with pytest.raises(UsageError, match="`avx9`"):
        model.native(level="avx9")
    for threads in (0, -3, 5000):
        with pytest.raises(ValueError, match="threads"):
            model.native(threads=threads)


def test_a_view_of_old_scores_stays_readable_after_growth_and_close() -> None:
    decoder, table = RandomModel.of(LLAMA, "q8_0").native(), np.arange(8, dtype=np.int32)
    first = decoder.forward(TOKENS[:1], ints(0), ints(0, 1), table[None], ints(0))
    expected = first.copy()
    run(decoder, TOKENS, table)
    np.testing.assert_array_equal(first, expected)
    decoder.close()
    np.testing.assert_array_equal(first, expected)


def test_a_closed_decoder_and_one_without_a_cache_say_so() -> None:
    decoder = RandomModel.of(LLAMA, "q8_0").native(threads=2)
    decoder.close()
    decoder.close()
    with pytest.raises(RuntimeError, match="closed"):
        decoder.forward(**GOOD)
    with pytest.raises(RuntimeError, match="closed"):
        decoder.allocate(3)


def test_two_decoders_work_side_by_side_on_two_threads() -> None:
    model, table = RandomModel.of(LLAMA, "q4_1"), np.arange(8, dtype=np.int32)
    decoders = [model.native(threads=2) for _ in range(2)]
    expected = run(model.native(), TOKENS, table)
    agreed = [0, 0]

    def work(index: int) -> None:
        for _ in range(10):
            agreed[index] += bool((run(decoders[index], TOKENS, table) == expected).all())

    workers = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert agreed == [10, 10]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_refuses_to_compute_and_leaves_quietly() -> None:
    decoder = RandomModel.of(LLAMA, "q8_0").native(threads=2)
    before = decoder.forward(**GOOD).copy()
    child = os.fork()
    if child == 0:
        try:
            decoder.forward(**GOOD)
        except RuntimeError as error:
            decoder.close()
            os._exit(0 if "forked" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(decoder.forward(**GOOD), before)
