"""Providers that answer by a script, the smallest `Models` over them, and calls and replies as Python values.

A script is a sequence of steps: an event is yielded, an exception is raised, a number is slept (seconds), an
`asyncio.Event` is waited for. A provider keeps the requests it got and counts the streams that are open, that came to
their end, and that were closed before it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seatrial.chat import ChatEvent, ChatRequest, Finished, FinishReason, TextDelta, Usage
from seatrial.providers.base import Embeddings, Provider, Sees
from seatrial.server.errors import Failure
from seatrial.server.http import Call, Reply, Streamed
from seatrial.server.served import ModelCard, Served

Step = ChatEvent | BaseException | float | int | asyncio.Event
Script = Sequence[Step]

CREATED = 1_790_000_000
USAGE = Usage(prompt_tokens=7, completion_tokens=3, cached_tokens=2, reasoning_tokens=1)


def says(text: str, *, reason: FinishReason = "stop", usage: Usage | None = USAGE, pause_s: float = 0.0) -> Script:
    """The text, a word at a time with the space before it, each after `pause_s`; then the end."""
    steps: list[Step] = []
    for position, word in enumerate(text.split(" ")):
        if pause_s:
            steps.append(pause_s)
        steps.append(TextDelta(" " + word if position else word))
    return (*steps, Finished(reason, usage))


@dataclass
class Scripted:
    """Answers every request by the same script, or by what `script` makes of the request."""

    script: Script | Callable[[ChatRequest], Script] = field(default_factory=lambda: says("Hello there friend"))
    requests: list[ChatRequest] = field(default_factory=list)
    num_open: int = 0
    num_ended: int = 0
    num_cut: int = 0
    is_closed: bool = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.requests.append(request)
        self.num_open += 1
        ended = False
        try:
            for step in self.script(request) if callable(self.script) else self.script:
                if isinstance(step, BaseException):
                    ended = True
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
            ended = True
        finally:
            self.num_open -= 1
            if ended:
                self.num_ended += 1
            else:
                self.num_cut += 1

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class CountingScripted(Scripted):
    """Also knows a prompt's tokens: its words, or its token ids."""

    context_length: int = 100

    def count_tokens(self, request: ChatRequest) -> int:
        if isinstance(request.prompt, tuple):
            return len(request.prompt)
        if request.prompt is not None:
            return len(request.prompt.split())
        return sum(len(message.text.split()) for message in request.messages)


@dataclass
class EmbeddingScripted(Scripted):
    """Also embeds: each text to a vector of length 1 that depends on the text alone."""

    num_dimensions: int = 8

    async def embed(self, texts: Sequence[str | Sequence[int]]) -> Embeddings:
        vectors = np.empty((len(texts), self.num_dimensions), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            seed = text.encode() if isinstance(text, str) else str(list(text)).encode()
            row[:] = np.random.default_rng(list(seed) or [0]).standard_normal(self.num_dimensions)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors, sum(len(text.split()) if isinstance(text, str) else len(text) for text in texts))


@dataclass
class ScriptedModels:
    """`Models` over a few providers, all of them loaded. `num_in_use` counts the leases that are out."""

    providers: Mapping[str, Provider]
    aliases: Mapping[str, str] = field(default_factory=dict)
    num_in_use: int = 0

    def __post_init__(self) -> None:
        names = (*self.providers, *self.aliases)
        self._cards = {name: ModelCard(name, CREATED, "seatrial", self.aliases.get(name)) for name in names}

    def cards(self) -> tuple[ModelCard, ...]:
        return tuple(self._cards.values())

    def card(self, name: str) -> ModelCard:
        if name in self._cards:
            return self._cards[name]
        known = ", ".join(f"`{known}`" for known in self._cards)
        raise Failure(404, f"The model `{name}` does not exist. There are: {known}.", code="model_not_found")

    def sees(self, name: str) -> bool | None:
        card = self.card(name)
        provider = self.providers[card.alias_of or card.id]
        return provider.sees if isinstance(provider, Sees) else None

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[Served]:
        card = self.card(name)
        self.num_in_use += 1
        try:
            yield Served(card, self.providers[card.alias_of or card.id])
        finally:
            self.num_in_use -= 1


def models_of(provider: Provider | None = None, name: str = "m") -> ScriptedModels:
    """One model, `m`, and an alias of it, `gpt-5-mini`."""
    return ScriptedModels({name: provider or Scripted()}, {"gpt-5-mini": name})


def counted_ids() -> Callable[[str], str]:
    """An id maker: `chatcmpl-1`, `chatcmpl-2`, … for the prefix `chatcmpl-`."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def clock() -> float:
    """A wall clock that stands still."""
    return float(CREATED)


def post(path: str, body: Any, *, request_id: str = "req-1", key_id: str | None = None) -> Call:
    """A POST. `body` is bytes as they are, or a value to encode as JSON."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call("POST", path, request_id, encoded, headers={"content-type": "application/json"}, key_id=key_id)


def json_of(reply: Reply | Streamed) -> Any:
    """The value in a whole reply."""
    assert isinstance(reply, Reply), reply
    return json.loads(reply.body)


async def bytes_of(reply: Reply | Streamed) -> bytes:
    """All that a stream writes."""
    assert isinstance(reply, Streamed), reply
    return b"".join([piece async for piece in reply.pieces])


async def chunks_of(reply: Reply | Streamed) -> list[Any]:
    """The `data:` values of a stream, `[DONE]` as that string."""
    return list(data_values(await bytes_of(reply)))


def data_values(body: bytes) -> Iterable[Any]:
    """The `data:` values in a body of server-sent events; other lines are refused."""
    assert body.endswith(b"\n\n"), body[-20:]
    for event in body[:-2].split(b"\n\n"):
        lines = [line for line in event.split(b"\n") if not line.startswith((b"event:", b":"))]
        assert len(lines) == 1, lines
        assert lines[0].startswith(b"data: "), lines
        data = lines[0][len(b"data: ") :]
        yield "[DONE]" if data == b"[DONE]" else json.loads(data)
