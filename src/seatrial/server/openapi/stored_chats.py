"""The operations on chat completions that were kept."""

from __future__ import annotations

from seatrial.server.openapi.failures import LOOKING_UP, READING
from seatrial.server.openapi.operation import MODEL, Operation, Parameter
from seatrial.server.wire.chat_listing import ChatDeleted, ChatList, ChatUpdate, MessageList
from seatrial.server.wire.chat_reply import ChatReply

_ID = Parameter("completion_id", "path", "The completion's id.", {"type": "string", "minLength": 1}, "chatcmpl-123")
_LIMIT = Parameter("limit", "query", "How many; 20 unless said.", {"type": "integer", "minimum": 0, "maximum": 100}, 20)
_ORDER = Parameter("order", "query", "Oldest first, unless `desc`.", {"enum": ["asc", "desc"]}, "desc")

STORED_CHATS = (
    Operation(
        "listChatCompletions",
        "GET",
        "/v1/chat/completions",
        "Chat",
        "List stored completions",
        "The completions of this key that were created with `store`, a page at a time. They are kept in memory: those "
        "unused longest go when there are too many, all of them when the server ends.",
        (400, *READING),
        reply=ChatList,
        parameters=(
            Parameter("model", "query", "Only those of this model.", {"type": "string"}, MODEL),
            Parameter(
                "metadata",
                "query",
                "Only those that have these pairs, written `metadata[name]=value`.",
                {"type": "object"},  # of texts, as everything in a query is
                {"run": "7"},
            ),
            _LIMIT,
            _ORDER,
            Parameter("after", "query", "Begin after the completion of this id.", {"type": "string"}, "chatcmpl-123"),
        ),
        python='completions = client.chat.completions.list(metadata={"run": "7"})',
    ),
    Operation(
        "retrieveChatCompletion",
        "GET",
        "/v1/chat/completions/{completion_id}",
        "Chat",
        "Retrieve a stored completion",
        "The completion as it was given, streamed or not, with its metadata as it is now.",
        LOOKING_UP,
        reply=ChatReply,
        parameters=(_ID,),
        python='completion = client.chat.completions.retrieve("chatcmpl-123")',
    ),
    Operation(
        "updateChatCompletion",
        "POST",
        "/v1/chat/completions/{completion_id}",
        "Chat",
        "Change a completion's metadata",
        "Puts other metadata in the place of what there was.",
        (400, 408, 413, 415, *LOOKING_UP),
        body=ChatUpdate,
        reply=ChatReply,
        parameters=(_ID,),
        example={"metadata": {"run": "8"}},
        python='client.chat.completions.update("chatcmpl-123", metadata={"run": "8"})',
    ),
    Operation(
        "deleteChatCompletion",
        "DELETE",
        "/v1/chat/completions/{completion_id}",
        "Chat",
        "Delete a stored completion",
        "Forgets it, and its messages.",
        LOOKING_UP,
        reply=ChatDeleted,
        parameters=(_ID,),
        python='client.chat.completions.delete("chatcmpl-123")',
    ),
    Operation(
        "listChatMessages",
        "GET",
        "/v1/chat/completions/{completion_id}/messages",
        "Chat",
        "List what it answered",
        "The messages that a stored completion is an answer to, a page at a time.",
        (400, *LOOKING_UP),
        reply=MessageList,
        parameters=(
            _ID,
            _LIMIT,
            _ORDER,
            Parameter("after", "query", "Begin after the message of this id.", {"type": "string"}, "chatcmpl-123-0"),
        ),
        python='messages = client.chat.completions.messages.list("chatcmpl-123")',
    ),
)
