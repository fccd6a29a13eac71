"""Chat events in, the items of a response and the events of its stream out.

One item is open at a time: a piece that belongs elsewhere closes it and opens the next, so that items come in the order
in which the model wrote them. Streamed and whole replies are built by the same steps, hence alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from seatrial.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from seatrial.errors import BadReply
from seatrial.server.wire.logprobs import ChosenScore, chat_logprobs
from seatrial.server.wire.responses_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ContentPartAdded,
    ContentPartDone,
    ItemEvent,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    ReasoningTextDelta,
    ReasoningTextDone,
)
from seatrial.server.wire.responses_output import (
    OutputCall,
    OutputItem,
    OutputMessage,
    OutputReasoning,
    OutputText,
    ReasoningText,
)

EndStatus = Literal["completed", "incomplete"]
NewId = Callable[[str], str]


class Assembly:
    """The output of one response as it grows."""

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._items: list[OutputItem] = []
        self._open: _OpenText | _OpenReasoning | _OpenCall | None = None
        self._calls_begun: set[int] = set()
        self.finished: Finished | None = None

    def feed(self, event: ChatEvent) -> Iterator[ItemEvent]:
        """What a piece of the reply means for the stream. Raises BadReply for a piece of a call that was closed."""
        match event:
            case TextDelta():
                yield from self._text(event)
            case ReasoningDelta(text):
                yield from self._reasoning(text)
            case ToolCallDelta():
                yield from self._call(event)
            case Finished():
                self.finished = event
                yield from self._finish("completed" if event.reason in ("stop", "tool_calls") else "incomplete")

    def close(self, status: EndStatus) -> Iterator[ItemEvent]:
        """End the item that is open, if one is."""
        if self._open is not None:
            item = self._open.item(status)
            yield from self._open.ended(item)
            self._items.append(item)
            self._open = None

    def items(self) -> tuple[OutputItem, ...]:
        """What there is so far; the open item is `in_progress`."""
        return (*self._items, self._open.item("in_progress")) if self._open else tuple(self._items)

    def _text(self, event: TextDelta) -> Iterator[ItemEvent]:
        if not event.text and not event.scores:
            return
        if not isinstance(self._open, _OpenText):
            yield from self._opened(_OpenText(self._new_id("msg_"), len(self._items) + (self._open is not None)))
        assert isinstance(self._open, _OpenText)
        yield self._open.push(event)

    def _reasoning(self, text: str) -> Iterator[ItemEvent]:
        if not text:
            return
        if not isinstance(self._open, _OpenReasoning):
            yield from self._opened(_OpenReasoning(self._new_id("rs_"), len(self._items) + (self._open is not None)))
        assert isinstance(self._open, _OpenReasoning)
        yield self._open.push(text)

    def _call(self, event: ToolCallDelta) -> Iterator[ItemEvent]:
        if not isinstance(self._open, _OpenCall) or self._open.call_index != event.index:
            if event.index in self._calls_begun:
                raise BadReply(f"The model went back to tool call {event.index} after another had begun.")
            if not event.name:
                raise BadReply(f"Tool call {event.index} began without a name.")
            self._calls_begun.add(event.index)
            call_id = event.id or self._new_id("call_")
            at = len(self._items) + (self._open is not None)
            yield from self._opened(_OpenCall(self._new_id("fc_"), at, event.index, call_id, event.name))
        assert isinstance(self._open, _OpenCall)
        if event.arguments:
            yield self._open.push(event.arguments)

    def _finish(self, status: EndStatus) -> Iterator[ItemEvent]:
        """An answer of nothing at all is an empty message, so that clients find one."""
        yield from self.close(status)
        if status == "completed" and not any(isinstance(item, OutputMessage | OutputCall) for item in self._items):
            yield from self._opened(_OpenText(self._new_id("msg_"), len(self._items)))
            yield from self.close(status)

    def _opened(self, item: _OpenText | _OpenReasoning | _OpenCall) -> Iterator[ItemEvent]:
        yield from self.close("completed")
        self._open = item
        yield from item.begun()


@dataclass(slots=True)
class _OpenText:
    id: str
    at: int
    pieces: list[str] = field(default_factory=list)
    scores: list[ChosenScore] = field(default_factory=list)

    def begun(self) -> Iterator[ItemEvent]:
        yield OutputItemAdded(output_index=self.at, item=OutputMessage(self.id, "in_progress"))
        yield ContentPartAdded(item_id=self.id, output_index=self.at, part=OutputText(""))

    def push(self, event: TextDelta) -> ItemEvent:
        self.pieces.append(event.text)
        scores = chat_logprobs(event.scores).content if event.scores else []
        self.scores.extend(scores)
        return OutputTextDelta(item_id=self.id, output_index=self.at, delta=event.text, logprobs=scores)

    def item(self, status: Literal["in_progress", "completed", "incomplete"]) -> OutputMessage:
        return OutputMessage(self.id, status, (OutputText("".join(self.pieces), logprobs=self.scores),))

    def ended(self, item: OutputItem) -> Iterator[ItemEvent]:
        assert isinstance(item, OutputMessage)
        part = item.content[0]
        yield OutputTextDone(item_id=self.id, output_index=self.at, text=part.text, logprobs=part.logprobs)
        yield ContentPartDone(item_id=self.id, output_index=self.at, part=part)
        yield OutputItemDone(output_index=self.at, item=item)


@dataclass(slots=True)
class _OpenReasoning:
    id: str
    at: int
    pieces: list[str] = field(default_factory=list)

    def begun(self) -> Iterator[ItemEvent]:
        yield OutputItemAdded(output_index=self.at, item=OutputReasoning(self.id, "in_progress"))
        yield ContentPartAdded(item_id=self.id, output_index=self.at, part=ReasoningText(""))

    def push(self, text: str) -> ItemEvent:
        self.pieces.append(text)
        return ReasoningTextDelta(item_id=self.id, output_index=self.at, delta=text)

    def item(self, status: Literal["in_progress", "completed", "incomplete"]) -> OutputReasoning:
        return OutputReasoning(self.id, status, (ReasoningText("".join(self.pieces)),))

    def ended(self, item: OutputItem) -> Iterator[ItemEvent]:
        assert isinstance(item, OutputReasoning)
        part = item.content[0]
        yield ReasoningTextDone(item_id=self.id, output_index=self.at, text=part.text)
        yield ContentPartDone(item_id=self.id, output_index=self.at, part=part)
        yield OutputItemDone(output_index=self.at, item=item)


@dataclass(slots=True)
class _OpenCall:
    id: str
    at: int
    call_index: int
    call_id: str
    name: str
    pieces: list[str] = field(default_factory=list)

    def begun(self) -> Iterator[ItemEvent]:
        yield OutputItemAdded(output_index=self.at, item=self.item("in_progress"))

    def push(self, arguments: str) -> ItemEvent:
        self.pieces.append(arguments)
        return ArgumentsDelta(item_id=self.id, output_index=self.at, delta=arguments)

    def item(self, status: Literal["in_progress", "completed", "incomplete"]) -> OutputCall:
        return OutputCall(self.id, self.call_id, self.name, "".join(self.pieces), status)

    def ended(self, item: OutputItem) -> Iterator[ItemEvent]:
        assert isinstance(item, OutputCall)
        yield ArgumentsDone(item_id=self.id, output_index=self.at, name=self.name, arguments=item.arguments)
        yield OutputItemDone(output_index=self.at, item=item)
