"""`/v1/responses/{response_id}`: an answer asked for again, followed, cancelled, deleted; and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.server.endpoints.query import is_true, page_of, whole_number
from seatrial.server.errors import Failure, bad_request
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.response_store import ResponseStore, Stored
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.responses_listing import listed
from seatrial.server.wire.responses_output import Deleted, ItemList


def stored_routes(store: ResponseStore) -> tuple[Route, ...]:
    """The routes of single responses."""
    stored = _StoredResponses(store)
    path = "/v1/responses/{response_id}"
    return (
        Route("GET", path, stored.retrieve),
        Route("DELETE", path, stored.delete),
        Route("POST", f"{path}/cancel", stored.cancel),
        Route("GET", f"{path}/input_items", stored.input_items),
    )


@dataclass(frozen=True, slots=True)
class _StoredResponses:
    store: ResponseStore

    async def retrieve(self, call: Call) -> Reply | Streamed:
        """The response as it stands, or its stream from the event after `starting_after`. Raises Failure.

        The whole response says what any of its events do, so that `starting_after` leaves nothing out of it.
        """
        stored = self._find(call)
        start = whole_number(call.query, "starting_after", -1) + 1
        if not is_true(call.query, "stream"):
            return Reply(json_bytes(stored.now))
        if stored.log is None:
            raise bad_request(
                "This response cannot be streamed: its events were not kept. They are where it is created with both "
                "'background' and 'stream'. Retrieve it without 'stream'.",
                param="stream",
                code="unsupported_parameter",
            )
        return Streamed(stored.log.read(start))

    async def delete(self, call: Call) -> Reply:
        """Forget a response; one that still runs is cancelled. Raises Failure 404."""
        stored = self._find(call)
        self.store.delete(stored.id)
        if stored.job is not None:
            await stored.job.cancel()
        return Reply(json_bytes(Deleted(stored.id)))

    async def cancel(self, call: Call) -> Reply:
        """Stop a background response; one that is over stays as it is. Raises Failure 404, 400."""
        stored = self._find(call)
        if not stored.response.background:
            raise bad_request("Cannot cancel a synchronous response: it was not created with 'background'.")
        return Reply(json_bytes(stored.now if stored.job is None else await stored.job.cancel()))

    async def input_items(self, call: Call) -> Reply:
        """What the response is an answer to, earlier turns included: a page, newest first unless asked otherwise."""
        stored = self._find(call)
        items = list(listed(stored.input_items, stored.id))
        page = page_of(items, call.query, id_of=_id_of, listed="item of this response", order="desc")
        return Reply(json_bytes(ItemList(page.items, page.has_more, page.first_id, page.last_id)))

    def _find(self, call: Call) -> Stored:
        response_id = call.path_values["response_id"]
        stored = self.store.get(response_id, call.key_id)
        if stored is None:
            raise Failure(404, f"Response with id '{response_id[:100]}' not found.")
        return stored


def _id_of(item: Any) -> str:
    return str(item["id"] if isinstance(item, Mapping) else item.id)
