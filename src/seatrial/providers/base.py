"""The Provider protocol: one method that turns a request into a stream of events. Beside it, what only some can do."""

# ruff: noqa: N815 - fields carry shape suffixes

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from seatrial.chat import ChatRequest, ChatStream, ImagePart, VideoPart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Provider(Protocol):
    """Anything that answers a chat request.

    `stream` is safe to call many times at once; closing the iterator early (`aclose`, or cancelling the task) stops
    the work. Errors are raised from the iterator as `ProviderError`, `ContextTooLong` or `NotRunnable`.
    """

    def stream(self, request: ChatRequest) -> ChatStream:
        """Answer a request: deltas, then exactly one `Finished`."""
        ...

    async def close(self) -> None:
        """Release connections and threads. Safe to call twice."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A provider that knows a prompt's tokens before it answers."""

    @property
    def context_length(self) -> int:
        """The longest prompt and answer together, tokens."""
        ...

    def count_tokens(self, request: ChatRequest) -> int:
        """Tokens of the prompt, as `Usage.prompt_tokens` would say. Raises RequestRejected as `stream` does."""
        ...


@runtime_checkable
class CountsPictures(Protocol):
    """A provider that knows what a picture adds to a prompt before it answers."""

    def count_picture_tokens(self, part: ImagePart | VideoPart) -> int:
        """Tokens that the part takes in a prompt, marks and times included, of what its file says: nothing is computed.

        Raises RequestRejected for what is no picture, and where the model reads text only.
        """
        ...


class Embeddings(NamedTuple):
    """One vector for each text, [N, D] float32 of length 1, and the tokens that were read."""

    vectors_ND: NDArray[np.float32]
    num_tokens: int


@runtime_checkable
class Embeds(Protocol):
    """A provider that turns texts into vectors."""

    async def embed(self, texts: Sequence[str | Sequence[int]]) -> Embeddings:
        """Embed texts, or token ids. Raises ContextTooLong, RequestRejected."""
        ...


@runtime_checkable
class Sees(Protocol):
    """A provider that knows whether its model takes pictures. One that does not is asked text alone."""

    @property
    def sees(self) -> bool:
        """Whether requests may hold pictures."""
        ...
