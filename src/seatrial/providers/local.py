"""A model of this machine as a provider.

In: chat requests, from any event loop. Out: streams of events. The prompt is rendered and encoded here, the engine
answers it among all others, and its text is split here into answer, reasoning and tool calls. An error of one request
is raised from that request's stream alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from seatrial.chat import ChatRequest, ChatStream, Finished, ImagePart, Usage
from seatrial.engine.model import Model
from seatrial.engine.request import Constraint, Gain, SamplingParams
from seatrial.engine.service import EngineService
from seatrial.errors import ProviderError, RequestRejected, UsageError
from seatrial.models.reply_format import ReplySplitter
from seatrial.models.store import ModelStore

_DEFAULT_MAX_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class _Question:
    """A request as the engine takes it, and how its reply is read."""

    prompt_ids: list[int]
    params: SamplingParams
    splitter: ReplySplitter


@dataclass(slots=True)
class LocalProvider:
    """Answers with a loaded model. Where a request leaves sampling open, the checkpoint's own defaults hold.

    `rng` gives seeds to sampled requests that bring none.
    """

    model: Model
    name: str
    rng: random.Random = field(default_factory=random.Random)
    service: EngineService = field(init=False)

    def __post_init__(self) -> None:
        self.service = EngineService(self.model.engine, name=self.name)

    def stream(self, request: ChatRequest) -> ChatStream:
        """See `Provider`. Raises RequestRejected (what the model cannot do or hold to), ContextTooLong."""
        return self._stream(request)

    async def close(self) -> None:
        """Stop the engine; requests still running fail with ProviderUnavailable."""
        await self.service.close()

    async def _stream(self, request: ChatRequest) -> ChatStream:
        try:
            question = self._question(request)
        except UsageError as error:
            raise RequestRejected(f"`{self.name}`: {error}") from error
        splitter, num_generated, num_reasoning = question.splitter, 0, 0
        async with aclosing(self.service.stream(question.prompt_ids, question.params)) as gains:
            try:
                async for gain in gains:
                    if gain.finish == "failed":
                        raise ProviderError(gain.error or f"`{self.name}` failed.")
                    num_generated += 1
                    num_reasoning += splitter.reasoning
                    for delta in splitter.push(gain.text):
                        yield delta
                    if gain.finish:
                        for delta in splitter.finish():
                            yield delta
                        usage = Usage(len(question.prompt_ids), num_generated, gain.num_cached, num_reasoning)
                        yield Finished(_reason(gain, splitter), usage)
            except UsageError as error:
                raise RequestRejected(f"`{self.name}`: {error}") from error

    def _question(self, request: ChatRequest) -> _Question:
        if any(isinstance(part, ImagePart) for message in request.messages for part in message.parts):
            raise RequestRejected(
                f"`{self.name}` reads text only; the request holds an image. Ask a model with vision."
            )
        template = self.model.chat_template
        prompt = template.render(request.messages, tools=request.tools, thinking=request.thinking)
        opened, closed = prompt.rfind("<think>"), prompt.rfind("</think>")
        return _Question(
            prompt_ids=self.model.tokenizer.encode(prompt),
            params=self._params(request),
            splitter=ReplySplitter(
                reasons=template.reasons,
                calls_tools=bool(request.tools),
                reasoning_open=opened > closed and not prompt[opened + len("<think>") :].strip(),
            ),
        )

    def _params(self, request: ChatRequest) -> SamplingParams:
        sampling, default = request.sampling, self.model.checkpoint.sampling
        schema = None if request.json_schema is None else json.dumps(request.json_schema)
        return SamplingParams(
            max_tokens=_DEFAULT_MAX_TOKENS if request.max_tokens is None else request.max_tokens,
            temperature=default.temperature if sampling.temperature is None else sampling.temperature,
            top_k=default.top_k if sampling.top_k is None else sampling.top_k,
            top_p=default.top_p if sampling.top_p is None else sampling.top_p,
            seed=self.rng.getrandbits(63) if sampling.seed is None else sampling.seed,
            stop=request.stop,
            constraint=None if schema is None else Constraint("json_schema", schema),
        )


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


def _reason(gain: Gain, splitter: ReplySplitter) -> Literal["stop", "length", "tool_calls"]:
    assert gain.finish in ("stop", "length")
    return "tool_calls" if splitter.num_tool_calls and gain.finish == "stop" else gain.finish
