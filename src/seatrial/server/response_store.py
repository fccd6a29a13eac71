"""The responses that can be asked for again: by id, as `previous_response_id`, or while they run in the background."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.server.background import EventLog, Job
from seatrial.server.store import Store
from seatrial.server.wire.responses_input import Item
from seatrial.server.wire.responses_output import OutputCall, Response


@dataclass(frozen=True, slots=True)
class Stored:
    """A response with the conversation that led to it.

    `input_items` are all that was read, earlier turns included; instructions are no part of it. `num_bytes` says how
    much text that is, as JSON, shared with earlier responses or not. `job` is there as long as the response is not
    over, `log` where its stream can be read again.
    """

    response: Response
    input_items: tuple[Item, ...]
    num_bytes: int
    key_id: str | None = None
    job: Job | None = None
    log: EventLog | None = None

    @property
    def id(self) -> str:
        """The response's."""
        return self.response.id

    @property
    def is_running(self) -> bool:
        """Whether it is not over."""
        return self.job is not None

    @property
    def now(self) -> Response:
        """The response as it stands now."""
        return self.response if self.job is None else self.job.response

    @property
    def conversation(self) -> tuple[Item, ...]:
        """What a next turn stands on: what was read, then what was answered. A call that was cut is left out."""
        output = self.response.output
        return (*self.input_items, *[item for item in output if _is_whole(item)])


ResponseStore = Store[Stored]


def _is_whole(item: Item) -> bool:
    return not isinstance(item, OutputCall) or item.status == "completed"
