"""The Provider protocol: one method that turns a request into a stream of events."""

from __future__ import annotations

from typing import Protocol

from seatrial.chat import ChatRequest, ChatStream


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
