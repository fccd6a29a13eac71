"""Several answers of a provider at once, as one stream of events.

In: one request for each choice. Out: `(choice, event)` as they come, or every choice gathered whole, and the usage of
them all. Closing the stream, or cancelling whoever reads it, ends every choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from seatrial.chat import (
    ChatEvent,
    ChatRequest,
    Finished,
    ReasoningDelta,
    TextDelta,
    TokenScore,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from seatrial.errors import BadReply
from seatrial.providers.base import Provider

Choices = AsyncGenerator[tuple[int, ChatEvent]]

_EVENTS_AHEAD = 64  # of all choices together, before a slow reader makes them wait


async def choices(provider: Provider, requests: Sequence[ChatRequest]) -> Choices:
    """The events of all requests, each with its request's place. Ends after the last `Finished`.

    Raises what a provider raises; the first error of any choice ends them all. Raises BadReply where a provider's
    stream ends without a `Finished`.
    """
    if len(requests) == 1:
        async with aclosing(_checked(provider, requests[0])) as events:
            async for event in events:
                yield 0, event
        return
    merge = _Merge(len(requests))
    tasks = [asyncio.create_task(_pump(provider, request, at, merge)) for at, request in enumerate(requests)]
    try:
        async for item in merge:
            yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Merge:
    """What the choices have said and nobody has read yet: at most `_EVENTS_AHEAD` events, and each choice's end."""

    def __init__(self, num_choices: int) -> None:
        self._num_running = num_choices
        self._items: asyncio.Queue[tuple[int, ChatEvent | BaseException | None]] = asyncio.Queue()
        self._room = asyncio.Semaphore(_EVENTS_AHEAD)

    async def put(self, at: int, event: ChatEvent) -> None:
        await self._room.acquire()
        self._items.put_nowait((at, event))

    def end(self, at: int, error: BaseException | None = None) -> None:
        self._items.put_nowait((at, error))

    async def __aiter__(self) -> Choices:
        while self._num_running:
            at, item = await self._items.get()
            if item is None:
                self._num_running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                self._room.release()
                yield at, item


async def _pump(provider: Provider, request: ChatRequest, at: int, merge: _Merge) -> None:
    try:
        async with aclosing(_checked(provider, request)) as events:
            async for event in events:
                await merge.put(at, event)
    except asyncio.CancelledError:  # from outside nobody reads on; from within, the reader must not wait for ever
        merge.end(at, BadReply("The model's answer was cancelled."))
        raise
    except Exception as error:
        merge.end(at, error)
    else:
        merge.end(at)


async def _checked(provider: Provider, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """A provider's stream, closed whatever happens. Nothing comes after `Finished`."""
    stream: AsyncIterator[ChatEvent] = provider.stream(request)
    try:
        async for event in stream:
            yield event
            if type(event) is Finished:
                async for _ in stream:
                    pass
                return
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
    raise BadReply("The model's answer broke off before its end.")


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    fragments: list[str]


@dataclass(slots=True)
class Answer:
    """One choice, gathered in pieces."""

    texts: list[str] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    scores: list[TokenScore] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    finished: Finished | None = None

    @property
    def text(self) -> str:
        """What was said."""
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        """What was thought before."""
        return "".join(self.reasonings)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """What is called, in the order of the calls' indices. An id or a name that was not told is empty."""
        return [ToolCall(call.id, call.name, "".join(call.fragments)) for _, call in sorted(self.calls.items())]

    def add(self, event: ChatEvent) -> None:
        """Take the next event."""
        if isinstance(event, TextDelta):
            self.texts.append(event.text)
            if event.scores:
                self.scores.extend(event.scores)
        elif isinstance(event, ReasoningDelta):
            self.reasonings.append(event.text)
        elif isinstance(event, ToolCallDelta):
            call = self.calls.setdefault(event.index, _Call("", "", []))
            call.id, call.name = call.id or event.id or "", call.name or event.name or ""
            call.fragments.append(event.arguments)
        else:
            self.finished = event


async def gathered(provider: Provider, requests: Sequence[ChatRequest]) -> list[Answer]:
    """Every choice to its end. Raises as `choices` does."""
    answers = [Answer() for _ in requests]
    if len(requests) == 1:
        async with aclosing(_checked(provider, requests[0])) as only:
            async for event in only:
                answers[0].add(event)
        return answers
    async with aclosing(choices(provider, requests)) as events:
        async for at, event in events:
            answers[at].add(event)
    return answers


def usage_of(finished: Sequence[Finished | None], choices_per_prompt: int) -> Usage | None:
    """The tokens of all choices; None where a choice told none.

    Choices of one prompt stand together: its tokens, and how many of them were cached, are counted once.
    """
    prompt_tokens = completion_tokens = cached_tokens = reasoning_tokens = 0
    for at, end in enumerate(finished):
        if end is None or end.usage is None:
            return None
        if at % choices_per_prompt == 0:
            prompt_tokens += end.usage.prompt_tokens
            cached_tokens += end.usage.cached_tokens
        completion_tokens += end.usage.completion_tokens
        reasoning_tokens += end.usage.reasoning_tokens
    return Usage(prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens)
