"""One response while it is made: chat events in, its stream's bytes and the finished response out.

Whether anybody reads the stream or not, the same steps are taken; `take` makes no bytes, `write` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from seatrial.chat import ChatEvent, Usage
from seatrial.server.errors import Failure
from seatrial.server.sse import named_event
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.responses_assembly import Assembly, NewId
from seatrial.server.wire.responses_events import (
    ResponseCreated,
    ResponseInProgress,
    ResponseQueued,
    StreamEvent,
    final_event,
)
from seatrial.server.wire.responses_output import (
    ErrorCode,
    IncompleteDetails,
    Response,
    ResponseError,
    ResponseStatus,
    usage_of,
)


class ResponseRun:
    """A response from its first event to its last. `clock` is the wall clock."""

    def __init__(self, response: Response, *, new_id: NewId, clock: Callable[[], float]) -> None:
        self._response = response
        self._assembly = Assembly(new_id)
        self._clock = clock
        self._num_written = 0

    @property
    def response(self) -> Response:
        """As it stands now."""
        return self._response if self._response.is_over else replace(self._response, output=self._assembly.items())

    @property
    def is_whole(self) -> bool:
        """Whether the last piece of the reply was taken."""
        return self._assembly.finished is not None

    @property
    def usage(self) -> Usage | None:
        """The tokens it took; None before its end, and where the model told none."""
        finished = self._assembly.finished
        return finished.usage if finished else None

    def queued(self) -> list[bytes]:
        """What a stream says while the model is not ready."""
        self._response = replace(self._response, status="queued")
        return self._written((ResponseCreated(response=self._response), ResponseQueued(response=self._response)))

    def begun_by(self, event: ChatEvent) -> list[bytes]:
        """What a stream says when the model answers, and of the first piece of its reply. Raises as `take` does."""
        was_queued = self._response.status == "queued"
        self._response = replace(self._response, status="in_progress")
        opening: list[StreamEvent] = [] if was_queued else [ResponseCreated(response=self._response)]
        opening.append(ResponseInProgress(response=self._response))
        return self._written(opening) + self.write(event)

    def take(self, event: ChatEvent) -> None:
        """A piece of the reply. Raises BadReply where it does not fit those before it."""
        for _ in self._assembly.feed(event):
            pass

    def write(self, event: ChatEvent) -> list[bytes]:
        """A piece of the reply, and what a stream says of it. Raises as `take` does."""
        return self._written(self._assembly.feed(event))

    def finish(self) -> Response:
        """The response, all of it taken."""
        finished = self._assembly.finished
        assert finished is not None
        reason = finished.reason
        if reason in ("length", "content_filter"):
            details = IncompleteDetails("max_output_tokens" if reason == "length" else "content_filter")
            return self._end("incomplete", incomplete_details=details)
        return self._end("completed", completed_at=int(self._clock()))

    def fail(self, failure: Failure) -> list[bytes]:
        """An end by an error: what a stream says of it. What there was of an answer stays."""
        pieces = self._written(self._assembly.close("incomplete"))
        self._end("failed", error=ResponseError(_error_code(failure), failure.message))
        return pieces + self.ended()

    def cancel(self) -> list[bytes]:
        """An end because nobody wants it any more: what a stream says of it."""
        pieces = self._written(self._assembly.close("incomplete"))
        self._end("cancelled")
        return pieces + self.ended()

    def ended(self) -> list[bytes]:
        """The last event of a stream."""
        return self._written([final_event(self._response)])

    def _end(
        self,
        status: ResponseStatus,
        *,
        completed_at: int | None = None,
        error: ResponseError | None = None,
        incomplete_details: IncompleteDetails | None = None,
    ) -> Response:
        self._response = replace(
            self._response,
            status=status,
            output=self._assembly.items(),
            usage=usage_of(self.usage),
            completed_at=completed_at,
            error=error,
            incomplete_details=incomplete_details,
        )
        return self._response

    def _written(self, events: Iterable[StreamEvent]) -> list[bytes]:
        pieces = []
        for event in events:
            event.sequence_number = self._num_written
            self._num_written += 1
            pieces.append(named_event(event.__struct_config__.tag, json_bytes(event)))  # type: ignore[arg-type]
        return pieces


def _error_code(failure: Failure) -> ErrorCode:
    if failure.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if failure.status < 500 else "server_error"
