"""Tiny chat models for provider tests: random weights over single bytes, or a script of what the model wants to say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import pre_tokenizers

from seatrial.chat import ChatRequest, message
from seatrial.engine.model import Model
from seatrial.engine.runner import Scores, StepInput
from seatrial.engine.torch_runner import TorchRunner
from seatrial.models.chat_template import ChatTemplate
from seatrial.models.checkpoint import Checkpoint, SamplingDefaults
from seatrial.models.config import ModelConfig, config_from_hf
from seatrial.models.smollm import Decoder, decoder_weights
from seatrial.models.tensors import expected_shapes
from seatrial.models.tokenizer import tokenizer_from_gguf

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n{% endif %}"
)
PLAIN_TEMPLATE = TEMPLATE.split("{% if enable")[0]
TOKENS = ["<|im_start|>", "<|im_end|>", "<think>", "</think>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "he"]
TOOL_TOKENS = ["<tool_call>", "</tool_call>"]
STOP = 1


def ask(text: str = "hello", **changes: Any) -> ChatRequest:
    return ChatRequest((message("user", text),), **{"max_tokens": 8, **changes})


def checkpoint(
    template: str = TEMPLATE, *, sampling: SamplingDefaults | None = None, more: list[str] | None = None
) -> Checkpoint:
    """`more` tokens are added to the vocabulary as markers."""
    added = more or []
    tokens = TOKENS + added
    metadata = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 4, 4, *[1] * (len(TOKENS) - 4), *[4] * len(added)],
        "tokenizer.ggml.merges": ["h e"],
    }
    raw = {"model_type": "smollm3", "vocab_size": len(tokens), "hidden_size": 32, "intermediate_size": 48}
    raw |= {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 2048}
    return Checkpoint(
        path=Path("random"),
        config=config_from_hf({**raw, "eos_token_id": STOP}),
        tokenizer=tokenizer_from_gguf(metadata, Path("random")),
        chat_template=ChatTemplate(template, now=lambda: datetime(2026, 2, 3)),
        sampling=sampling or SamplingDefaults(),
        tensors={},
    )


def random_model(opened: Checkpoint | None = None, **changes: Any) -> Model:
    """Random weights; what it writes means nothing, and never ends by itself but by chance."""
    opened = opened or checkpoint()
    generator = torch.Generator().manual_seed(1)
    tensors = {n: torch.randn(shape, generator=generator) * 0.3 for n, shape in expected_shapes(opened.config).items()}
    weights = decoder_weights(opened.config, tensors, dtype=torch.float32, device=torch.device("cpu"))
    runner = TorchRunner(Decoder(opened.config, weights))
    return Model("random", opened, runner, **{"max_sequences": 4, "speculate": False, **changes})


class Script:
    """A runner that wants to write `answer` and then stop, by how far behind the first prompt's end it is.

    `then` is what it wants instead from the place on where it reads the token `after`: how a model goes on behind
    something that it did not choose itself.
    """

    device = "cpu"
    cheap_tokens = 16
    block_bytes = 4096

    def __init__(self, opened: Checkpoint, answer: str, *, after: str = "", then: str = "") -> None:
        self.config: ModelConfig = opened.config
        encode = opened.tokenizer.encode
        self._answer, self._then = [*encode(answer), STOP], [*encode(then), STOP]
        self._after = encode(after)[-1] if after else None
        self._start: int | None = None
        self._turn: int | None = None
        self.num_steps = 0
        self.num_tokens = 0

    def allocate(self, num_blocks: int) -> None:
        assert num_blocks

    def forward(self, step: StepInput) -> Scores:
        self.num_steps += 1
        self.num_tokens += len(step.tokens_T)
        scores_RV = np.full((len(step.rows_R), self.config.vocab_size), -10, np.float32)
        for row, place in enumerate(step.rows_R.tolist()):
            scores_RV[row, self._wanted(int(step.tokens_T[place]), int(step.positions_T[place]))] = 10
        return scores_RV

    def close(self) -> None:
        pass

    def _wanted(self, token: int, position: int) -> int:
        if self._start is None:
            self._start = position
        if self._turn is None and token == self._after and position > self._start:
            self._turn = position
        ids, begin = (self._answer, self._start) if self._turn is None else (self._then, self._turn)
        return ids[min(max(0, position - begin), len(ids) - 1)]


def scripted_model(answer: str, opened: Checkpoint | None = None, **changes: Any) -> Model:
    """A model that wants to say `answer`; `after` and `then` as in `Script`."""
    opened = opened or checkpoint()
    script = Script(opened, answer, **{key: changes.pop(key) for key in ("after", "then") if key in changes})
    return Model("scripted", opened, script, **{"max_sequences": 4, "speculate": False, **changes})
