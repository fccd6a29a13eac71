"""A generation as a reply in pieces.

In: what to ask a model, and the chunks that its events become. Out: a `Streamed`. The first event is awaited before the
reply begins, so that whatever fails by then is a proper HTTP error; what fails later is raised from the pieces, and the
application says it in the stream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import NamedTuple, Protocol

from seatrial.chat import ChatEvent, ChatRequest, Usage
from seatrial.server.generation import choices
from seatrial.server.http import Streamed, Tally
from seatrial.server.served import Models, Served


class Chunks(Protocol):
    """What a stream says of events; after the last one also its end."""

    @property
    def usage(self) -> Usage | None:
        """Of all choices together: known by the end, if it ever will be."""
        ...

    def of(self, at: int, event: ChatEvent) -> bytes:
        """What choice `at` adds to the stream, possibly nothing."""
        ...


class Generation(NamedTuple):
    """What a model is asked, one request for each choice, and how its answers are written."""

    requests: Sequence[ChatRequest]
    chunks: Chunks


Prepare = Callable[[Served], Awaitable[Generation]]


async def streamed(
    models: Models,
    name: str,
    tally: Tally,
    prepare: Prepare,
    held: AbstractContextManager[object] = nullcontext(),  # noqa: B008 - holds nothing
) -> Streamed:
    """Begin to answer with the model of that name. Raises what fails before the first event.

    `held` is what the request needs to its end, whichever that is: it is left then.
    """
    pieces = _pieces(models, name, tally, prepare, held)
    await anext(pieces)
    return Streamed(pieces)


async def _pieces(
    models: Models, name: str, tally: Tally, prepare: Prepare, held: AbstractContextManager[object]
) -> AsyncGenerator[bytes]:
    """First an empty piece, when the reply can begin: a generator that has begun frees what it holds when closed."""
    with held:
        async with models.use(name) as served:
            tally.model = served.card.id
            requests, chunks = await prepare(served)
            async with aclosing(choices(served.provider, requests)) as events:
                first = await anext(events)
                yield b""
                try:
                    yield chunks.of(*first)
                    async for at, event in events:
                        piece = chunks.of(at, event)
                        if piece:
                            yield piece
                finally:
                    tally.usage = chunks.usage
