"""A model of this machine as a provider.

In: chat requests, from any event loop. Out: streams of events. `local_prompt` and `local_params` say what the engine is
asked, the engine answers it among all others, and its text is split here into answer, reasoning and tool calls. An
error of one request is raised from that request's stream alone.
"""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seatrial.chat import (
    ChatEvent,
    ChatRequest,
    ChatStream,
    Finished,
    ImagePart,
    TextDelta,
    Usage,
    VideoPart,
)
from seatrial.engine.metrics import EngineMetrics
from seatrial.engine.model import Model
from seatrial.engine.picture_prompt import parts_to_see
from seatrial.engine.request import Gain, SamplingParams
from seatrial.engine.service import EngineService
from seatrial.errors import ProviderError, RequestRejected, UsageError
from seatrial.models.reply_format import Delta, ReplySplitter
from seatrial.models.store import ModelStore
from seatrial.providers.base import Embeddings
from seatrial.providers.local_embedding import embed_texts
from seatrial.providers.local_params import params_of
from seatrial.providers.local_prompt import (
    LocalPrompt,
    eyes_of,
    num_characters,
    num_pixels_of,
    offered_tools,
    pictures_of,
    prompt_of,
    refused_parts,
)
from seatrial.providers.local_scores import TokenScores
from seatrial.providers.picture_room import NO_PLACE, PictureRoom, Place

if TYPE_CHECKING:
    from seatrial.models.pictures import PreparedPicture

_DEFAULT_MAX_TOKENS = 2048
# A prompt of so many characters takes a few milliseconds to encode: longer ones do not make an event loop wait.
_LONG_CHARACTERS = 8_192
# What the OpenAI API calls the fields of a request that it names otherwise, and the code of what is wrong with them.
_ON_THE_WIRE = {
    "json_schema": ("response_format", "invalid_json_schema"),
    "tools": ("tools", "invalid_function_parameters"),
    "num_logprobs": ("top_logprobs", None),
    "thinking": ("reasoning_effort", None),
    "template_variables": ("chat_template_kwargs", None),
}
_CALL_ID_SIGNS = string.ascii_letters + string.digits


@dataclass(slots=True)
class LocalProvider:
    """Answers with a loaded model. Where a request leaves sampling open, the checkpoint's own defaults hold.

    `rng` gives seeds to sampled requests that bring none, and names to tool calls. `default_max_tokens` bounds answers
    of requests without a limit of their own, `room` the memory for pictures that are not looked at yet.
    """

    model: Model
    name: str
    rng: random.Random = field(default_factory=random.Random)
    default_max_tokens: int = _DEFAULT_MAX_TOKENS
    room: PictureRoom = field(default_factory=PictureRoom)
    service: EngineService = field(init=False)

    def __post_init__(self) -> None:
        self.service = EngineService(self.model.engine, name=self.name)

    def stream(self, request: ChatRequest) -> ChatStream:
        """See `Provider`. Raises RequestRejected (what the model cannot do or hold to), ContextTooLong."""
        return self._stream(request)

    def count_tokens(self, request: ChatRequest) -> int:
        """See `CountsTokens`. Takes about a millisecond for 2,000 characters; of pictures the files' heads are read."""
        with self._refusals():
            return len(prompt_of(request, self.model).token_ids)

    def count_picture_tokens(self, part: ImagePart | VideoPart) -> int:
        """See `CountsPictures`."""
        with refused_parts(part, None):
            return eyes_of(self.model, None).num_tokens(part)

    @property
    def context_length(self) -> int:
        """See `CountsTokens`."""
        return self.model.engine.limits.context_length

    @property
    def sees(self) -> bool:
        """See `Sees`."""
        return self.model.vision is not None

    @property
    def metrics(self) -> EngineMetrics:
        """Queue, cache and totals of the engine."""
        return self.service.metrics

    async def embed(self, texts: Sequence[str | Sequence[int]]) -> Embeddings:
        """See `Embeds` and `local_embedding`."""
        return await embed_texts(self.model, self.service, texts, name=self.name)

    async def close(self) -> None:
        """Stop the engine and what prepares pictures; requests still running fail with ProviderUnavailable."""
        self.room.close()
        await self.service.close()

    async def _stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        with self._refusals():
            if num_characters(request) < _LONG_CHARACTERS and not parts_to_see(request.messages):
                prompt = prompt_of(request, self.model)
            else:
                prompt = await asyncio.to_thread(prompt_of, request, self.model)
            params = self._params(request, prompt)
            reply = _LocalReply(self, request, prompt)
            pictures, place = await self._pictures(prompt)
            try:
                async with aclosing(self.service.batches(prompt.token_ids, params, pictures)) as batches:
                    del pictures  # now the engine's alone, which lets go of each once it is encoded
                    async for gains in batches:
                        place.leave()
                        for event in reply.take(gains):
                            yield event
                        if reply.is_over:
                            break
            finally:
                place.leave()

    async def _pictures(self, prompt: LocalPrompt) -> tuple[tuple[PreparedPicture, ...], Place]:
        """The pictures of a prompt, and the place that they take in memory until the engine has looked at them."""
        if not prompt.parts:
            return (), NO_PLACE
        num_pixels = await asyncio.to_thread(num_pixels_of, prompt, self.model)
        return await self.room.prepare(num_pixels, lambda stop: pictures_of(prompt, self.model, stop))

    def _params(self, request: ChatRequest, prompt: LocalPrompt) -> SamplingParams:
        default = self.model.checkpoint.sampling
        return params_of(request, prompt, default, rng=self.rng, most_tokens=self.default_max_tokens)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What cannot be asked of this model, as a provider says it."""
        try:
            yield
        except UsageError as error:
            param, code = _ON_THE_WIRE.get(error.field or "", (error.field, None))
            raise RequestRejected(f"`{self.name}`: {error}", param=param, code=code) from error


class _LocalReply:
    """One answer on its way out: gains to events. `is_over` after its `Finished`, which may come before the engine's.

    A request that takes one tool call at most ends with the first; what the model would have said then is not waited
    for.
    """

    def __init__(self, provider: LocalProvider, request: ChatRequest, prompt: LocalPrompt) -> None:
        model = provider.model
        self._name, self._num_prompt = provider.name, len(prompt.token_ids)
        self._scores = None
        if request.num_logprobs is not None:
            self._scores = TokenScores(model.tokenizer, () if request.sampling.ignore_eos else model.config.stop_ids)
        self._splitter = ReplySplitter(
            reasons=prompt.reasons,
            calls_tools=bool(offered_tools(request)),
            new_call_id=lambda: "call_" + "".join(provider.rng.choices(_CALL_ID_SIGNS, k=24)),
            reasoning_open=prompt.reasoning == "open",
            scores_between=None if self._scores is None else self._scores.between,
        )
        self._calls_once = not request.parallel_tool_calls
        self._num_generated = self._num_reasoning = 0
        self.is_over = False

    def take(self, gains: list[Gain]) -> list[ChatEvent]:
        """What the gains of a step, or of several, make certain. Raises ProviderError where the answer failed."""
        if self._calls_once and len(gains) > 1:
            return [event for gain in gains if not self.is_over for event in self.take([gain])]
        text = ""
        for gain in gains:
            if gain.finish == "failed":
                raise ProviderError(gain.error or f"`{self._name}` failed.")
            self._num_generated += 1
            self._num_reasoning += gain.reasoning
            if self._scores is not None:
                self._scores.add(gain)
            text += gain.text
        events: list[ChatEvent] = [*self._splitter.push(text)]
        if self._calls_once and self._splitter.num_calls_ended:
            events.append(self._finished("tool_calls", gains[-1]))
        elif gains[-1].finish == "length":
            events += [*self._rest(), self._finished("length", gains[-1])]
        elif gains[-1].finish == "stop":
            events += self._splitter.finish()
            events.append(self._finished("tool_calls" if self._splitter.num_tool_calls else "stop", gains[-1]))
        return events

    def _rest(self) -> list[Delta]:
        """What an answer that was cut holds back, with scores of tokens that came to no text."""
        deltas = self._splitter.finish()
        if self._scores is not None and self._splitter.is_text:
            scores = self._scores.rest()
            deltas += [TextDelta("", scores)] if scores else []
        return deltas

    def _finished(self, reason: Literal["stop", "length", "tool_calls"], last: Gain) -> Finished:
        self.is_over = True
        usage = Usage(self._num_prompt, self._num_generated, last.num_cached, self._num_reasoning)
        return Finished(reason, usage)


def load_local(
    id_or_path: str | Path,
    *,
    store: ModelStore | None = None,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    name: str | None = None,
    threads: int | None = None,
    cache: Literal["bf16", "int8"] = "bf16",
    context_length: int | None = None,
    max_sequences: int = 8,
    rng: random.Random | None = None,
    now: Callable[[], datetime] = datetime.now,
) -> LocalProvider:
    """Load a model (see `Model.from_pretrained`, also for what is raised) and put a provider around it."""
    model = Model.from_pretrained(
        id_or_path,
        store=store,
        dtype=dtype,
        device=device,
        revision=revision,
        threads=threads,
        cache=cache,
        context_length=context_length,
        max_sequences=max_sequences,
        name=name,
        now=now,
    )
    return LocalProvider(model, name=name or str(id_or_path), rng=rng or random.Random())
