"""The events of a streamed response, as the responses API names and orders them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from seatrial.server.wire.logprobs import ChosenScore
from seatrial.server.wire.responses_output import OutputItem, OutputText, ReasoningText, Response


class _Event(Struct, tag_field="type"):
    """Numbered where it is written; 0 until then."""

    sequence_number: int = 0


class ResponseCreated(_Event, tag="response.created", kw_only=True):
    """The first event."""

    response: Response


class ResponseQueued(_Event, tag="response.queued", kw_only=True):
    """A background response waits for its model."""

    response: Response


class ResponseInProgress(_Event, tag="response.in_progress", kw_only=True):
    """The model has begun."""

    response: Response


class ResponseCompleted(_Event, tag="response.completed", kw_only=True):
    """The last event of an answer that came to its end."""

    response: Response


class ResponseIncomplete(_Event, tag="response.incomplete", kw_only=True):
    """The last event of an answer that was cut: its length, or a filter."""

    response: Response


class ResponseFailed(_Event, tag="response.failed", kw_only=True):
    """The last event of an answer that failed, or that was cancelled."""

    response: Response


class OutputItemAdded(_Event, tag="response.output_item.added", kw_only=True):
    """An item begins, still empty."""

    output_index: int
    item: OutputItem


class OutputItemDone(_Event, tag="response.output_item.done", kw_only=True):
    """An item is whole."""

    output_index: int
    item: OutputItem


class _PartEvent(_Event, kw_only=True):
    item_id: str
    output_index: int
    content_index: Literal[0] = 0


class ContentPartAdded(_PartEvent, tag="response.content_part.added", kw_only=True):
    """The one part of a message or of reasoning begins, still empty."""

    part: OutputText | ReasoningText


class ContentPartDone(_PartEvent, tag="response.content_part.done", kw_only=True):
    """The part is whole."""

    part: OutputText | ReasoningText


class OutputTextDelta(_PartEvent, tag="response.output_text.delta", kw_only=True):
    """A piece of an answer."""

    delta: str
    logprobs: Sequence[ChosenScore] = ()


class OutputTextDone(_PartEvent, tag="response.output_text.done", kw_only=True):
    """The whole of an answer."""

    text: str
    logprobs: Sequence[ChosenScore] = ()


class ReasoningTextDelta(_PartEvent, tag="response.reasoning_text.delta", kw_only=True):
    """A piece of reasoning."""

    delta: str


class ReasoningTextDone(_PartEvent, tag="response.reasoning_text.done", kw_only=True):
    """The whole of the reasoning."""

    text: str


class ArgumentsDelta(_Event, tag="response.function_call_arguments.delta", kw_only=True):
    """A piece of a call's arguments."""

    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(_Event, tag="response.function_call_arguments.done", kw_only=True):
    """The whole of a call's arguments."""

    item_id: str
    output_index: int
    name: str
    arguments: str


ItemEvent = (
    OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | ArgumentsDelta
    | ArgumentsDone
)
FinalEvent = ResponseCompleted | ResponseIncomplete | ResponseFailed
StreamEvent = ResponseCreated | ResponseQueued | ResponseInProgress | ItemEvent | FinalEvent


def final_event(response: Response) -> FinalEvent:
    """The event that ends the stream of a response that is over."""
    match response.status:
        case "completed":
            return ResponseCompleted(response=response)
        case "incomplete":
            return ResponseIncomplete(response=response)
        case _:
            return ResponseFailed(response=response)
