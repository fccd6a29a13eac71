"""Our decoder beside transformers' at small width: the same float32 weights must give the same logits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers

from seatrial.engine.runner import BLOCK_TOKENS, StepInput
from seatrial.engine.torch_runner import TorchRunner
from seatrial.models.config import config_from_hf
from seatrial.models.frequencies import inverse_frequencies
from seatrial.models.smollm import Decoder, decoder_weights

TOLERANCE = 1e-4
SMALL: dict[str, Any] = {
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 5_000_000.0}
SMOLLM3 = transformers.SmolLM3Config, transformers.SmolLM3ForCausalLM
LLAMA = transformers.LlamaConfig, transformers.LlamaForCausalLM
VARIANTS: dict[str, tuple[tuple[Any, Any], dict[str, Any]]] = {
    "smollm3": (SMOLLM3, {"rope_theta": 5_000_000.0}),
    "smollm3, YaRN": (SMOLLM3, {"rope_parameters": YARN}),
    "smollm3, YaRN of 2 beyond its context": (
        SMOLLM3,
        {"rope_parameters": {**YARN, "factor": 2.0, "beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.3}},
    ),
    "smollm3, untied, own NoPE list": (SMOLLM3, {"tie_word_embeddings": False, "no_rope_layers": [0, 1, 1, 0, 1]}),
    "smollm2": (LLAMA, {"tie_word_embeddings": True, "rope_theta": 100_000.0}),
    "smollm2, one key-value head, wide heads": (LLAMA, {"num_key_value_heads": 1, "head_dim": 32}),
}


def build(variant: str) -> tuple[Any, Decoder]:
    (config_class, model_class), changes = VARIANTS[variant]
    torch.manual_seed(7)
    reference = model_class(config_class(**(SMALL | changes))).eval()
    with torch.no_grad():
        for parameter in reference.parameters():  # the initial 0.02 hides errors: nearly uniform attention
            parameter.mul_(6.0 if parameter.dim() == 2 else 1.0)
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5)
    config = config_from_hf(reference.config.to_dict())
    weights = decoder_weights(config, reference.state_dict(), dtype=torch.float32, device=torch.device("cpu"))
    return reference, Decoder(config, weights)


class Span(NamedTuple):
    """`length` new tokens of a sequence, from position `start` on."""

    sequence: int
    start: int
    length: int


class Paged:
    """The decoder over a paged cache. The blocks of the sequences lie interleaved, so that no page follows its own."""

    def __init__(self, decoder: Decoder, num_sequences: int) -> None:
        self.runner = TorchRunner(decoder)
        self.runner.allocate(num_sequences * 16)
        self.tables = np.arange(num_sequences * 16, dtype=np.int32).reshape(16, num_sequences).T.copy()

    def __call__(self, parts: list[tuple[Span, torch.Tensor]]) -> list[torch.Tensor]:
        """One pass over the parts; logits of each part, [length, V]."""
        lengths = [span.length for span, _ in parts]
        positions = [np.arange(span.start, span.start + span.length) for span, _ in parts]
        step = StepInput(
            tokens_T=torch.cat([tokens for _, tokens in parts]).numpy().astype(np.int32),
            positions_T=np.concatenate(positions).astype(np.int32),
            starts_S1=np.cumsum([0, *lengths], dtype=np.int32),
            tables_SB=self.tables[[span.sequence for span, _ in parts]],
            rows_R=np.arange(sum(lengths), dtype=np.int32),
        )
        return list(torch.tensor(self.runner.forward(step)).split(lengths))


def texts(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    return [torch.randint(3, SMALL["vocab_size"], (length,), generator=generator) for length in lengths]


@pytest.fixture(scope="module", params=list(VARIANTS))
def pair(request: pytest.FixtureRequest) -> tuple[Any, Decoder]:
    return build(request.param)


@torch.inference_mode()
def test_whole_prompt_alone(pair: tuple[Any, Decoder]) -> None:
    reference, decoder = pair
    (tokens,) = texts(200)
    (logits,) = Paged(decoder, 1)([(Span(0, 0, 200), tokens)])
    expected = reference(tokens[None]).logits[0]
    assert expected.std() > 0.5  # the weights are large enough for the comparison to mean something
    torch.testing.assert_close(logits, expected, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_with_cache_token_by_token_and_in_chunks(pair: tuple[Any, Decoder]) -> None:
    reference, decoder = pair
    (tokens,) = texts(90)
    expected = reference(tokens[None]).logits[0]
    paged, found, start = Paged(decoder, 1), [], 0
    for length in [40, 1, 1, 1, 27, 1, 19]:
        found += paged([(Span(0, start, length), tokens[start : start + length])])
        start += length
    torch.testing.assert_close(torch.cat(found), expected, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_batched_prompts_then_batched_decode(pair: tuple[Any, Decoder]) -> None:
    """Ragged lengths, blocks of others between one's own, against transformers alone and its left-padded batch."""
    reference, decoder = pair
    sequences, slots = texts(50, 9, 31), [0, 2, 3]
    expected = [reference(tokens[None]).logits[0] for tokens in sequences]
    paged = Paged(decoder, 5)
    prompts = [(Span(slot, 0, len(tokens) - 4), tokens[:-4]) for slot, tokens in zip(slots, sequences, strict=True)]
    found = paged(prompts)
    for back in (4, 3, 2, 1):
        steps = [
            (Span(slot, len(tokens) - back, 1), tokens[len(tokens) - back, None])
            for slot, tokens in zip(slots, sequences, strict=True)
        ]
        found = [torch.cat(both) for both in zip(found, paged(steps), strict=True)]
    for logits, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(logits, wanted, atol=TOLERANCE, rtol=0)
    padded = torch.zeros(3, 50, dtype=torch.long)
    for row, tokens in enumerate(sequences):
        padded[row, 50 - len(tokens) :] = tokens
    mask = (padded != 0).long()
    together = reference(padded, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0)).logits
    for row, logits in enumerate(found):
        torch.testing.assert_close(logits[-1], together[row, -1], atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_a_prefix_in_shared_blocks_equals_recomputed(pair: tuple[Any, Decoder]) -> None:
    _, decoder = pair
    (tokens,) = texts(60)
    paged = Paged(decoder, 2)
    (whole,) = paged([(Span(0, 0, 60), tokens)])
    paged.tables[1, :3] = paged.tables[0, :3]
    start = 3 * BLOCK_TOKENS
    (rest,) = paged([(Span(1, start, 60 - start), tokens[start:])])
    torch.testing.assert_close(rest, whole[start:], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_rotary_frequencies_are_those_of_transformers(variant: str) -> None:
    reference, decoder = build(variant)
    rotary = reference.model.rotary_emb
    found = torch.from_numpy(inverse_frequencies(decoder.config))
    torch.testing.assert_close(found, rotary.inv_freq, rtol=1e-6, atol=0)
    assert decoder.rotary.scale == pytest.approx(rotary.attention_scaling)


def test_every_fourth_layer_of_smollm3_has_no_rotation() -> None:
    _, decoder = build("smollm3")
    assert decoder.config.rope_layers == (True, True, True, False, True)
