"""`/v1/responses/{response_id}`: an answer asked for again, followed, cancelled, deleted; and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.server.errors import Failure, bad_request
from seatrial.server.http import Call, Reply, Route, Streamed
from seatrial.server.response_store import ResponseStore, Stored
from seatrial.server.wire.json_text import json_bytes
from seatrial.server.wire.responses_listing import listed
from seatrial.server.wire.responses_output import Deleted, ItemList

_MOST_ITEMS = 100
_ITEMS = 20


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
        """The response as it stands, or its stream from the event after `starting_after`. Raises Failure."""
        stored = self._find(call)
        start = _whole_number(call.query, "starting_after", -1) + 1
        if not _is_true(call.query, "stream"):
            if start:
                raise bad_request("'starting_after' has a meaning only with 'stream=true'.", param="starting_after")
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
        self.store.delete(stored.response.id)
        if stored.job is not None:
            await stored.job.cancel()
        return Reply(json_bytes(Deleted(stored.response.id)))

    async def cancel(self, call: Call) -> Reply:
        """Stop a background response; one that is over stays as it is. Raises Failure 404, 400."""
        stored = self._find(call)
        if not stored.response.background:
            raise bad_request("Cannot cancel a synchronous response: it was not created with 'background'.")
        return Reply(json_bytes(stored.now if stored.job is None else await stored.job.cancel()))

    async def input_items(self, call: Call) -> Reply:
        """What the response is an answer to, earlier turns included: a page, newest first unless asked otherwise."""
        stored = self._find(call)
        limit = _whole_number(call.query, "limit", _ITEMS)
        if not 1 <= limit <= _MOST_ITEMS:
            raise bad_request(f"'limit' is {limit}; it must be from 1 to {_MOST_ITEMS}.", param="limit")
        order = call.query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise bad_request(f"'order' is '{order[:60]}'; it must be 'asc' or 'desc'.", param="order")
        items = list(listed(stored.input_items, stored.response.id))
        if order == "desc":
            items.reverse()
        ids = [_id_of(item) for item in items]
        first = _place_after(call.query.get("after"), ids)
        page, page_ids = items[first : first + limit], ids[first : first + limit]
        has_more = first + limit < len(items)
        return Reply(json_bytes(ItemList(page, has_more, page_ids[0] if page else "", page_ids[-1] if page else "")))

    def _find(self, call: Call) -> Stored:
        response_id = call.path_values["response_id"]
        stored = self.store.get(response_id, call.key_id)
        if stored is None:
            raise Failure(404, f"Response with id '{response_id[:100]}' not found.")
        return stored


def _is_true(query: Mapping[str, str], name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in ("true", "false"):
        raise bad_request(f"'{name}' is '{value[:60]}'; it must be true or false.", param=name, code="invalid_type")
    return value == "true"


def _whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise bad_request(f"'{name}' is '{value[:60]}'; it must be a whole number.", param=name, code="invalid_type")
    return int(value)


def _id_of(item: Any) -> str:
    return str(item["id"] if isinstance(item, Mapping) else item.id)


def _place_after(after: str | None, ids: list[str]) -> int:
    if after is None:
        return 0
    if after not in ids:
        raise bad_request(f"'after' is '{after[:100]}', which is no item of this response.", param="after")
    return ids.index(after) + 1
