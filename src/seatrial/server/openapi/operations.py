"""Every path of the server: what it takes, what it answers, how it fails, and an example of each."""

from __future__ import annotations

from seatrial.server.endpoints.models import ModelBody, ModelList
from seatrial.server.openapi.chunks import Health
from seatrial.server.openapi.failures import LOOKING_UP, OPEN, READING
from seatrial.server.openapi.generations import CHAT, COMPLETE, COUNT_TOKENS, CREATE_RESPONSE, EMBED
from seatrial.server.openapi.operation import JSON, MODEL, Operation, Parameter
from seatrial.server.openapi.stored_chats import STORED_CHATS
from seatrial.server.wire.responses_events import StreamEvent
from seatrial.server.wire.responses_output import Deleted, ItemList, Response

GROUPS = {
    "Chat": "Conversations in, answers out: the API that most clients speak.",
    "Responses": "The newer API: items instead of messages, and answers that can be asked for again and gone on from.",
    "Completions": "A text, continued as it stands.",
    "Embeddings": "Texts as vectors.",
    "Models": "What is served.",
    "Operation": "For whoever runs the server, and for the programs that watch it.",
    "Description": "The pages and the document that describe this API.",
}

_RESPONSE_ID = Parameter("response_id", "path", "The response's id.", {"type": "string", "minLength": 1}, "resp_123")

_STORED = (
    Operation(
        "retrieveResponse",
        "GET",
        "/v1/responses/{response_id}",
        "Responses",
        "Retrieve a response",
        "A stored response as it stands; or with `stream=true` its events, where it was created with both `background` "
        "and `stream`.",
        (400, *LOOKING_UP),
        reply=Response,
        event=StreamEvent,
        parameters=(
            _RESPONSE_ID,
            Parameter("stream", "query", "Give its events.", {"type": "boolean"}, True),
            Parameter(
                "starting_after",
                "query",
                "Begin after the event of this number. Without `stream=true` it has no effect.",
                {"type": "integer", "minimum": 0, "maximum": 999_999_999},
                0,
            ),
        ),
        python='response = client.responses.retrieve("resp_123")',
    ),
    Operation(
        "deleteResponse",
        "DELETE",
        "/v1/responses/{response_id}",
        "Responses",
        "Delete a response",
        "Forgets a stored response; one that still runs is cancelled.",
        LOOKING_UP,
        reply=Deleted,
        parameters=(_RESPONSE_ID,),
        python='client.responses.delete("resp_123")',
    ),
    Operation(
        "cancelResponse",
        "POST",
        "/v1/responses/{response_id}/cancel",
        "Responses",
        "Cancel a response",
        "Stops one that runs in the background. One that is over stays as it is.",
        (400, 408, 413, 415, *LOOKING_UP),
        reply=Response,
        parameters=(_RESPONSE_ID,),
        python='client.responses.cancel("resp_123")',
    ),
    Operation(
        "listInputItems",
        "GET",
        "/v1/responses/{response_id}/input_items",
        "Responses",
        "List what it answered",
        "The items that a response is an answer to, earlier turns included, a page at a time.",
        (400, *LOOKING_UP),
        reply=ItemList,
        parameters=(
            _RESPONSE_ID,
            Parameter(
                "limit", "query", "How many; 20 unless said.", {"type": "integer", "minimum": 1, "maximum": 100}, 20
            ),
            Parameter("order", "query", "Newest first, unless `asc`.", {"enum": ["asc", "desc"]}, "asc"),
            Parameter("after", "query", "Begin after the item of this id.", {"type": "string"}, "msg_123"),
        ),
        python='items = client.responses.input_items.list("resp_123")',
    ),
)

_MODELS = (
    Operation(
        "listModels",
        "GET",
        "/v1/models",
        "Models",
        "List models",
        "Every name that requests may use, aliases last.",
        READING,
        reply=ModelList,
        python="print([model.id for model in client.models.list()])",
    ),
    Operation(
        "retrieveModel",
        "GET",
        "/v1/models/{id}",
        "Models",
        "Retrieve a model",
        "One of them. An id may hold slashes.",
        LOOKING_UP,
        reply=ModelBody,
        parameters=(Parameter("id", "path", "The model's id.", {"type": "string", "minLength": 1}, MODEL),),
        python=f'model = client.models.retrieve("{MODEL}")',
    ),
)

_OPERATION = (
    Operation(
        "isAlive",
        "GET",
        "/healthz",
        "Operation",
        "Is it alive?",
        "Answers as long as the process does.",
        OPEN,
        reply=Health,
        is_open=True,
    ),
    Operation(
        "isReady",
        "GET",
        "/readyz",
        "Operation",
        "Is it ready?",
        "Answers 200 once models are loaded, and 503 before that and while the server shuts down.",
        (*OPEN, 503),
        reply=Health,
        is_open=True,
    ),
    Operation(
        "readMetrics",
        "GET",
        "/metrics",
        "Operation",
        "Read metrics",
        "Requests, latencies, tokens and the engine's state, as Prometheus reads them.",
        READING,
        media_type="text/plain",
    ),
)

_DESCRIPTION = tuple(
    Operation(name, "GET", path, "Description", title, words, OPEN, media_type=media_type, is_open=True)
    for name, path, title, words, media_type in (
        ("openChatPage", "/", "The chat page", "A page to try the models in a browser.", "text/html"),
        ("readDocs", "/docs", "The API as a page", "This document, for people.", "text/html"),
        ("readDocument", "/openapi.json", "The API as a document", "This document, for programs.", JSON),
    )
)

OPERATIONS: tuple[Operation, ...] = (
    CHAT,
    *STORED_CHATS,
    CREATE_RESPONSE,
    *_STORED,
    COUNT_TOKENS,
    COMPLETE,
    EMBED,
    *_MODELS,
    *_OPERATION,
    *_DESCRIPTION,
)
