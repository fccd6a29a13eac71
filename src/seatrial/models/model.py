"""A model, ready to answer: what `Model.from_pretrained` gives.

In: an id, a folder or a `.gguf` file. Out: texts. `Model` owns the checkpoint and the decoder; `batch` opens the
stepwise interface that a server drives, `generate` is the short way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from seatrial.chat import Message
from seatrial.errors import CheckpointError, UsageError
from seatrial.models.chat_template import ChatTemplate
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.devices import choose_device, choose_dtype
from seatrial.models.generate import Batch, Gain, Settings
from seatrial.models.smollm import Decoder, decoder_weights, expected_shapes
from seatrial.models.store import ModelStore
from seatrial.models.tokenizer import Tokenizer

Prompt = str | Sequence[Message] | Sequence[int]
_SLOTS = 8
_PLAIN = Settings()


@dataclass(slots=True)
class Generation:
    """One answer. `num_cached` of the `num_prompt` tokens were not computed again.

    `finish` is "cancelled" where the caller's `on_gain` asked to stop.
    """

    num_prompt: int
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    finish: Literal["stop", "length", "cancelled"] = "cancelled"
    num_cached: int = 0


class Model:
    """A decoder with its tokenizer and chat template. Not for two threads at once; `providers.local` queues."""

    def __init__(self, name: str, checkpoint: Checkpoint, decoder: Decoder) -> None:
        self.name, self.checkpoint, self.decoder = name, checkpoint, decoder
        self._batch: Batch | None = None

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path,
        *,
        store: ModelStore | None = None,
        dtype: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> Model:
        """Load a pulled model by id (`smollm2-135m`, `hf:owner/name`), a checkpoint folder, or a `.gguf` file.

        `dtype` is `auto` (see `models.devices`), `float32`, `bfloat16` or `float16`; `device` is `auto`, `cpu`, `cuda`
        or `mps`. `now` is the clock a chat template may ask for today's date.

        Raises NotRunnable (not pulled, or too large for this machine), CheckpointError, UnsupportedModel, UnknownName.
        """
        store = store or ModelStore()
        chosen_device = choose_device(device)
        name = str(id_or_path)
        checkpoint = open_checkpoint(store.resolve(id_or_path, revision=revision), now=now)
        config = checkpoint.config
        num_weights = sum(math.prod(shape) for shape in expected_shapes(config).values())
        chosen_dtype = choose_dtype(dtype, chosen_device, num_weights, name)
        weights = decoder_weights(config, checkpoint.tensors, dtype=chosen_dtype, device=chosen_device)
        return cls(name, checkpoint, Decoder(config, weights))

    @property
    def config(self) -> ModelConfig:
        """The architecture."""
        return self.checkpoint.config

    @property
    def tokenizer(self) -> Tokenizer:
        """The vocabulary."""
        return self.checkpoint.tokenizer

    @property
    def chat_template(self) -> ChatTemplate:
        """The template. Raises UsageError for a checkpoint without one."""
        if self.checkpoint.chat_template is None:
            raise UsageError(f"`{self.name}` has no chat template; give it plain text instead of messages.")
        return self.checkpoint.chat_template

    def batch(self, num_slots: int) -> Batch:
        """A fresh batch with its own cache."""
        return Batch(self.decoder, self.tokenizer, self.config.stop_ids, num_slots, self.name)

    def prompt_ids(self, prompt: Prompt, *, thinking: bool | None = None) -> list[int]:
        """Token ids of a plain text (continued as it stands), of messages (by the chat template), or the ids given."""
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt, with_prefix=True)
        messages = [part for part in prompt if isinstance(part, Message)]
        if messages:
            return self.tokenizer.encode(self.chat_template.render(messages, thinking=thinking))
        ids = [part for part in prompt if isinstance(part, int)]
        wrong = next((i for i in ids if not 0 <= i < self.config.vocab_size), None)
        if wrong is not None:
            raise UsageError(f"Token id {wrong} is outside the vocabulary of {self.config.vocab_size:,}.")
        return ids

    def generate(self, prompt: Prompt, settings: Settings = _PLAIN, *, thinking: bool | None = None) -> Generation:
        """Answer one prompt. Raises ContextTooLong, UsageError."""
        return self.generate_all([prompt], settings, thinking=thinking)[0]

    def stream(self, prompt: Prompt, settings: Settings = _PLAIN, *, thinking: bool | None = None) -> Iterator[str]:
        """The answer in pieces, as they become certain. Closing the iterator stops the work."""
        batch = self._own_batch()
        batch.add(0, self.prompt_ids(prompt, thinking=thinking), settings)
        try:
            while len(batch):
                for gain in batch.step():
                    self._checked(gain)
                    if gain.text:
                        yield gain.text
        finally:
            batch.cancel(0)

    def generate_all(
        self,
        prompts: Sequence[Prompt],
        settings: Settings | Sequence[Settings] = _PLAIN,
        *,
        thinking: bool | None = None,
        on_gain: Callable[[Gain], bool | None] | None = None,
    ) -> list[Generation]:
        """Answer prompts together, in their order; eight run at once.

        One `settings` serves all, or one each. `on_gain` hears every step of every answer (`key` is the prompt's
        index) and stops that answer by returning False.
        """
        each = [settings] * len(prompts) if isinstance(settings, Settings) else list(settings)
        if len(each) != len(prompts):
            raise UsageError(f"{len(prompts)} prompts came with {len(each)} settings; give one each, or one for all.")
        ids = [self.prompt_ids(prompt, thinking=thinking) for prompt in prompts]
        batch = self._own_batch()
        try:
            answers = [Generation(batch.add(key, ids[key], each[key])) for key in range(len(prompts))]
            while len(batch):
                for gain in batch.step():
                    self._record(answers[gain.key], self._checked(gain))
                    if on_gain is not None and on_gain(gain) is False and gain.finish is None:
                        batch.cancel(gain.key)
            return answers
        finally:
            for key in range(len(prompts)):
                batch.cancel(key)

    def _own_batch(self) -> Batch:
        if self._batch is None:
            self._batch = self.batch(_SLOTS)
        if len(self._batch):
            raise UsageError(f"`{self.name}` is answering already; finish or close that stream first.")
        return self._batch

    def _checked(self, gain: Gain) -> Gain:
        if gain.finish == "failed":
            raise CheckpointError(
                "the model's scores are not numbers; its weights are damaged", path=self.checkpoint.path
            )
        return gain

    def _record(self, answer: Generation, gain: Gain) -> None:
        answer.text += gain.text
        answer.num_cached = gain.num_cached
        if gain.token_id is not None:
            answer.token_ids.append(gain.token_id)
        if gain.finish in ("stop", "length"):
            answer.finish = gain.finish
