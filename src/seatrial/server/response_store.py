"""The responses that can be asked for again: by id, as `previous_response_id`, or while they run in the background.

In memory, for this process alone, and bounded: at most 10,000 responses and 128 MiB together unless said otherwise;
what was used longest ago goes first, except what still runs. A response belongs to the API key that made it; to any
other key it is not there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from seatrial.server.background import EventLog, Job
from seatrial.server.wire.responses_input import Item
from seatrial.server.wire.responses_output import OutputCall, Response

MAX_RESPONSES = 10_000
MAX_BYTES = 128 * 2**20

_NUM_BYTES_AROUND = 2_048


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
    def now(self) -> Response:
        """The response as it stands now."""
        return self.response if self.job is None else self.job.response

    @property
    def conversation(self) -> tuple[Item, ...]:
        """What a next turn stands on: what was read, then what was answered. A call that was cut is left out."""
        output = self.response.output
        return (*self.input_items, *[item for item in output if _is_whole(item)])


def _is_whole(item: Item) -> bool:
    return not isinstance(item, OutputCall) or item.status == "completed"


class ResponseStore:
    """Stored responses, least recently used first."""

    def __init__(self, *, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self._max_responses, self._max_bytes = max_responses, max_bytes
        self._entries: OrderedDict[str, Stored] = OrderedDict()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, stored: Stored) -> None:
        """Keep a response, in place of an earlier state of it. One larger than the whole store is not kept."""
        self.delete(stored.response.id)
        if stored.job is None and _room_for(stored) > self._max_bytes:
            return
        self._entries[stored.response.id] = stored
        self.num_bytes += _room_for(stored)
        if len(self._entries) > self._max_responses or self.num_bytes > self._max_bytes:
            self._make_room(stored.response.id)

    def get(self, response_id: str, key_id: str | None) -> Stored | None:
        """A response of this key."""
        stored = self._entries.get(response_id)
        if stored is None or stored.key_id != key_id:
            return None
        self._entries.move_to_end(response_id)
        return stored

    def holds(self, response_id: str) -> bool:
        """Whether it is there, whoever asks."""
        return response_id in self._entries

    def delete(self, response_id: str) -> None:
        """Forget a response; one that is not there is fine."""
        stored = self._entries.pop(response_id, None)
        if stored is not None:
            self.num_bytes -= _room_for(stored)

    def _make_room(self, newest_id: str) -> None:
        """Forget what was used longest ago; what still runs stays, and the newest."""
        for response_id, stored in list(self._entries.items()):
            if len(self._entries) <= self._max_responses and self.num_bytes <= self._max_bytes:
                return
            if stored.job is None and response_id != newest_id:
                self.delete(response_id)


def _room_for(stored: Stored) -> int:
    return stored.num_bytes + _NUM_BYTES_AROUND
