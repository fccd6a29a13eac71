"""A model, ready to answer: what `Model.from_pretrained` gives.

In: an id, a folder or a `.gguf` file. Out: answers as text, or vectors of texts. `Model` owns the checkpoint, the
runner, the eyes where it has any, and, from the first answer on, one engine; `generate` and `stream` are the short way,
`engine` is what a service drives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seatrial.chat import Message
from seatrial.engine.loop import Engine, EngineLimits
from seatrial.engine.memory import check_context, out_of_memory, picture_block_bytes, plan_cache, usual_context
from seatrial.engine.opening import open_runner
from seatrial.engine.picture_prompt import PicturePrompts, ReadPrompt, parts_to_see, rendered
from seatrial.engine.request import Gain, SamplingParams
from seatrial.engine.runner import Runner
from seatrial.engine.vision import VisionEncoder, open_vision
from seatrial.errors import CheckpointError, UsageError
from seatrial.models.chat_template import IMAGE_MARK, ChatTemplate
from seatrial.models.checkpoint import Checkpoint, open_checkpoint
from seatrial.models.config import ModelConfig
from seatrial.models.devices import free_bytes
from seatrial.models.store import ModelStore
from seatrial.models.tokenizer import Tokenizer

Prompt = str | Sequence[Message] | Sequence[int]
_PLAIN = SamplingParams()


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
    """A model with its tokenizer and chat template. Not for two threads at once; `service` queues."""

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        runner: Runner,
        *,
        max_sequences: int = 8,
        context_length: int | None = None,
        speculate: bool = True,
        vision: VisionEncoder | None = None,
    ) -> None:
        self.name, self.checkpoint, self.runner, self.vision = name, checkpoint, runner, vision
        self._max_sequences, self._speculate = max_sequences, speculate
        self._context_length = context_length and min(context_length, self.config.context_length)
        self._engine: Engine | None = None
        self.picture_prompts: PicturePrompts | None = None
        if vision is not None and (parts := checkpoint.vision) is not None:
            self.picture_prompts = PicturePrompts(parts.config, parts.rules, checkpoint.tokenizer, name=name)

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path,
        *,
        store: ModelStore | None = None,
        dtype: str = "auto",
        device: str = "auto",
        revision: str | None = None,
        threads: int | None = None,
        level: str | None = None,
        cache: Literal["bf16", "int8"] = "bf16",
        max_sequences: int = 8,
        context_length: int | None = None,
        speculate: bool = True,
        name: str | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> Model:
        """Load a pulled model by id (`smollm2-135m`, `hf:owner/name`), a checkpoint folder, or a `.gguf` file.

        `dtype`, `device`, `threads`, `level` and `cache` as for `open_runner`. `context_length` bounds prompt and
        answer together (default: what the model takes, what half of free memory holds, or 131,072), `max_sequences` how
        many are answered at once. `name` is what messages call the model. `now` is the clock a chat template may ask
        for today's date.

        Raises NotRunnable (not pulled, or too large for this machine), CheckpointError, UnsupportedModel, UnknownName,
        UsageError (a context that the model does not take).
        """
        name = name or str(id_or_path)
        path = (store or ModelStore()).resolve(id_or_path, revision=revision)
        try:
            checkpoint = open_checkpoint(path, now=now)
            check_context(checkpoint.config, context_length, model=name)
            runner = open_runner(
                checkpoint,
                name=name,
                dtype=dtype,
                device=device,
                threads=threads,
                level=level,
                cache=cache,
                max_sequences=max_sequences,
                context=context_length,
            )
            vision = open_vision(checkpoint, dtype=dtype, threads=threads, device=device, name=name, level=level)
        except (MemoryError, RuntimeError, OSError) as error:
            refusal = out_of_memory(error, model=name, dtype=dtype, free_bytes=free_bytes("cpu"))
            if refusal is None:
                raise
            raise refusal from error
        return cls(
            name,
            checkpoint,
            runner,
            max_sequences=max_sequences,
            context_length=context_length,
            speculate=speculate,
            vision=vision,
        )

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

    @property
    def engine(self) -> Engine:
        """The engine, made when first asked for. Raises NotRunnable where its cache does not fit into memory."""
        if self._engine is None:
            block_bytes, free = self.runner.block_bytes, free_bytes(self.runner.device)
            if self.vision is not None:
                block_bytes += picture_block_bytes(self.config)
            context = self._context_length or usual_context(self.config, block_bytes, free)
            num_blocks = plan_cache(
                self.config, block_bytes, free, max_sequences=self._max_sequences, context=context, model=self.name
            )
            limits = EngineLimits(
                num_blocks=num_blocks,
                context_length=context,
                max_sequences=self._max_sequences,
                speculate=self._speculate,
            )
            self._engine = Engine(
                self.runner, self.tokenizer, self.config.stop_ids, limits, name=self.name, vision=self.vision
            )
        return self._engine

    def read(self, prompt: Prompt, *, thinking: bool | None = None) -> ReadPrompt:
        """A prompt for the engine, as `prompt_ids` makes it, and the pictures of its messages, prepared.

        Raises UsageError where the model has no eyes, InputError for what is no picture.
        """
        messages = [] if isinstance(prompt, str) else [part for part in prompt if isinstance(part, Message)]
        parts = parts_to_see(messages)
        if not parts:
            return ReadPrompt(self.prompt_ids(prompt, thinking=thinking))
        eyes, ids = self.eyes, self.prompt_ids(prompt, thinking=thinking)
        eyes.check_room(len(ids), parts, self.engine.limits.context_length)
        return ReadPrompt(ids, tuple(picture for each in parts for picture in eyes.pictures_of(each.part)))

    @property
    def eyes(self) -> PicturePrompts:
        """What makes prompts of pictures. Raises UsageError for a model of text alone."""
        if self.picture_prompts is None:
            knows_pictures = self.tokenizer.token_id(IMAGE_MARK) is not None
            first = "Put the file with its eyes, `mmproj-….gguf`, beside it, or ask" if knows_pictures else "Ask"
            raise UsageError(
                f"`{self.name}` reads text only; the prompt holds a picture or a video. {first} a model that sees, "
                "such as `smolvlm2-256m`.",
                field="messages",
            )
        return self.picture_prompts

    def prompt_ids(self, prompt: Prompt, *, thinking: bool | None = None) -> list[int]:
        """Token ids of a plain text (continued as it stands), of messages (by the chat template), or the ids given.

        Raises UsageError for ids outside the vocabulary, and in plain text or ids for the token of a picture.
        """
        if isinstance(prompt, str):
            return self._plain(self.tokenizer.encode(prompt, with_prefix=True))
        messages = [part for part in prompt if isinstance(part, Message)]
        if messages:
            template, eyes, parts = self.chat_template, self.picture_prompts, parts_to_see(messages)
            if eyes is None:
                return self.tokenizer.encode(template.render(messages, thinking=thinking))
            return eyes.encode(
                rendered(lambda marks: template.render(messages, thinking=thinking, marks=marks), parts), parts
            )
        ids = [part for part in prompt if isinstance(part, int)]
        wrong = next((i for i in ids if not 0 <= i < self.config.vocab_size), None)
        if wrong is not None:
            raise UsageError(
                f"Token id {wrong} is outside the vocabulary of {self.config.vocab_size:,}.", field="prompt"
            )
        return self._plain(ids)

    def generate(self, prompt: Prompt, params: SamplingParams = _PLAIN, *, thinking: bool | None = None) -> Generation:
        """Answer one prompt. Raises ContextTooLong, UsageError."""
        return self.generate_all([prompt], params, thinking=thinking)[0]

    def embed(self, texts: Sequence[str | Sequence[int]]) -> NDArray[np.float32]:
        """One vector for each text, [texts, hidden size], of length 1.

        It is the mean of the hidden states of the text's tokens after the last norm. Raises ContextTooLong, UsageError.
        """
        engine = self._idle_engine()
        engine.embed(0, [self.prompt_ids(text) for text in texts])
        try:
            gains: list[Gain] = []
            while not gains:
                gains = engine.step()
            vectors_ND = self._checked(gains[0]).vectors_ND
            assert vectors_ND is not None
            return vectors_ND
        finally:
            engine.cancel(0)

    def stream(self, prompt: Prompt, params: SamplingParams = _PLAIN, *, thinking: bool | None = None) -> Iterator[str]:
        """The answer in pieces, as they become certain. Closing the iterator stops the work."""
        engine = self._idle_engine()
        token_ids, pictures = self.read(prompt, thinking=thinking)
        engine.add(0, token_ids, params, pictures=pictures)
        del pictures
        try:
            while len(engine):
                for gain in engine.step():
                    self._checked(gain)
                    if gain.text:
                        yield gain.text
        finally:
            engine.cancel(0)

    def generate_all(
        self,
        prompts: Sequence[Prompt],
        params: SamplingParams | Sequence[SamplingParams] = _PLAIN,
        *,
        thinking: bool | None = None,
        on_gain: Callable[[Gain], bool | None] | None = None,
    ) -> list[Generation]:
        """Answer prompts together, in their order, `max_sequences` at once.

        One `params` serves all, or one each. `on_gain` hears every token of every answer (`key` is the prompt's
        index) and stops that answer by returning False.
        """
        each = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if len(each) != len(prompts):
            raise UsageError(f"{len(prompts)} prompts came with {len(each)} settings; give one each, or one for all.")
        read = [self.read(prompt, thinking=thinking) for prompt in prompts]
        engine = self._idle_engine()
        try:
            answers = [
                Generation(engine.add(key, token_ids, each[key], pictures=pictures))
                for key, (token_ids, pictures) in enumerate(read)
            ]
            read.clear()
            while len(engine):
                stopped: set[int] = set()
                for gain in engine.step():
                    if gain.key in stopped:
                        continue
                    self._record(answers[gain.key], self._checked(gain))
                    if on_gain is not None and on_gain(gain) is False and gain.finish is None:
                        engine.cancel(gain.key)
                        stopped.add(gain.key)
            return answers
        finally:
            for key in range(len(prompts)):
                engine.cancel(key)

    def _plain(self, ids: list[int]) -> list[int]:
        """The ids of a plain prompt, which no pictures come with."""
        mark = None if self.vision is None else self.vision.config.image_token_id
        if mark in ids:
            raise UsageError(
                f"The prompt holds a picture's token (`{IMAGE_MARK}`, id {mark}), and a plain prompt comes with no "
                "pictures. Leave it out, or show the picture in messages.",
                field="prompt",
            )
        return ids

    def _idle_engine(self) -> Engine:
        if len(self.engine):
            raise UsageError(f"`{self.name}` is answering already; finish or close that stream first.")
        return self.engine

    def _checked(self, gain: Gain) -> Gain:
        if gain.finish == "failed":
            raise CheckpointError(gain.error or f"`{self.name}` failed.")
        return gain

    def _record(self, answer: Generation, gain: Gain) -> None:
        answer.text += gain.text
        answer.num_cached = gain.num_cached
        if gain.token_id is not None:
            answer.token_ids.append(gain.token_id)
        if gain.finish in ("stop", "length"):
            answer.finish = gain.finish
