"""`/v1/chat/completions`, those that were created with `store`: asked for again, listed, changed, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter

from seatrial.server.chat_store import ChatStore, StoredChat
from seatrial.server.endpoints.query import page_of
from seatrial.server.errors import Failure, bad_request
from seatrial.server.http import Call, Reply, Route
from seatrial.server.wire.chat import decode_chat
from seatrial.server.wire.chat_listing import (
    ChatDeleted,
    MessageList,
    chat_list,
    decode_update,
    listed_messages,
)
from seatrial.server.wire.chat_reply import with_metadata
from seatrial.server.wire.json_text import json_bytes

_id_of = attrgetter("id")


def stored_chat_routes(store: ChatStore) -> tuple[Route, ...]:
    """The routes of stored completions."""
    stored = _StoredChats(store)
    path = "/v1/chat/completions/{completion_id}"
    return (
        Route("GET", "/v1/chat/completions", stored.every),
        Route("GET", path, stored.retrieve),
        Route("POST", path, stored.update),
        Route("DELETE", path, stored.delete),
        Route("GET", f"{path}/messages", stored.messages),
    )


@dataclass(frozen=True, slots=True)
class _StoredChats:
    store: ChatStore

    async def every(self, call: Call) -> Reply:
        """A page of the key's completions, oldest first unless asked otherwise. Raises Failure 400."""
        model, metadata = call.query.get("model"), _wanted_metadata(call.query)

        def is_wanted(stored: StoredChat) -> bool:
            has = stored.metadata or {}
            return model in (None, stored.model) and all(has.get(name) == value for name, value in metadata.items())

        page = page_of(
            self.store.of_key(call.key_id),
            call.query,
            id_of=_id_of,
            listed="stored chat completion",
            fewest=0,
            is_wanted=is_wanted,
        )
        replies = [with_metadata(stored.reply, stored.metadata) for stored in page.items]
        return Reply(chat_list(replies, has_more=page.has_more, first_id=page.first_id, last_id=page.last_id))

    async def retrieve(self, call: Call) -> Reply:
        """The completion as it was given, with its metadata as it is now. Raises Failure 404."""
        stored = self._find(call)
        return Reply(with_metadata(stored.reply, stored.metadata))

    async def update(self, call: Call) -> Reply:
        """Put other metadata in the place of what there was. Raises Failure 404, 400."""
        stored = replace(self._find(call), metadata=decode_update(call.body).metadata)
        self.store.put(stored)
        return Reply(with_metadata(stored.reply, stored.metadata))

    async def delete(self, call: Call) -> Reply:
        """Forget a completion. Raises Failure 404."""
        stored = self._find(call)
        self.store.delete(stored.id)
        return Reply(json_bytes(ChatDeleted(stored.id)))

    async def messages(self, call: Call) -> Reply:
        """What the completion is an answer to: a page, in the order of the conversation unless asked otherwise."""
        stored = self._find(call)
        messages = listed_messages(decode_chat(stored.asked).messages, stored.id)
        page = page_of(messages, call.query, id_of=_id_of, listed="message of this chat completion", fewest=0)
        return Reply(json_bytes(MessageList(page.items, page.has_more, page.first_id, page.last_id)))

    def _find(self, call: Call) -> StoredChat:
        completion_id = call.path_values["completion_id"]
        stored = self.store.get(completion_id, call.key_id)
        if stored is None:
            raise Failure(
                404,
                f"Chat completion with id '{completion_id[:100]}' not found: those are kept that are created with "
                "'store', as long as there is room.",
            )
        return stored


def _wanted_metadata(query: Mapping[str, str]) -> dict[str, str]:
    """The pairs of `metadata[name]=value`. Raises Failure for a value without a name."""
    wanted = {}
    for name, value in query.items():
        if name == "metadata[]" or (name == "metadata" and value):
            raise bad_request(f"'{name}' has no name in it. Send 'metadata[name]=value'.", param="metadata")
        if name.startswith("metadata[") and name.endswith("]"):
            wanted[name.removeprefix("metadata[").removesuffix("]")] = value
    return wanted
