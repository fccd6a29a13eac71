"""Transports for the official client that hold every reply, JSON or server-sent events, against OpenAI's document.

In: the transport that does the work, and the document's check. Out: the replies, untouched; what did not fit is kept in
`Recorder.faults`, since an error raised in the middle of a reply would look like one of the connection.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

# What a path answers: whole, and streamed.
_SCHEMAS: tuple[tuple[str, str, str | None, str | None], ...] = (
    ("POST", r"/chat/completions", "CreateChatCompletionResponse", "CreateChatCompletionStreamResponse"),
    ("GET", r"/chat/completions", "ChatCompletionList", None),
    ("GET", r"/chat/completions/[^/]+", "CreateChatCompletionResponse", None),
    ("POST", r"/chat/completions/[^/]+", "CreateChatCompletionResponse", None),
    ("DELETE", r"/chat/completions/[^/]+", "ChatCompletionDeleted", None),
    ("GET", r"/chat/completions/[^/]+/messages", "ChatCompletionMessageList", None),
    ("POST", r"/completions", "CreateCompletionResponse", "CreateCompletionResponse"),
    ("POST", r"/responses", "Response", "ResponseStreamEvent"),
    ("POST", r"/responses/input_tokens", "TokenCountsResource", None),
    ("POST", r"/responses/[^/]+/cancel", "Response", None),
    ("GET", r"/responses/[^/]+", "Response", "ResponseStreamEvent"),
    ("GET", r"/responses/[^/]+/input_items", "ResponseItemList", None),
    ("POST", r"/embeddings", "CreateEmbeddingResponse", None),
    ("GET", r"/models", "ListModelsResponse", None),
    ("GET", r"/models/.+", "Model", None),
)
_UNDESCRIBED = (("DELETE", r"/responses/[^/]+"),)


class Recorder:
    """What was answered. `num_checked` counts values by schema, `attempts` the requests that were sent."""

    def __init__(self, check: Callable[[str, Any], None]) -> None:
        self._check = check
        self.faults: list[str] = []
        self.num_checked: Counter[str] = Counter()
        self.attempts: list[tuple[str, int]] = []

    def took(self, request: httpx2.Request, response: httpx2.Response, body: bytes) -> None:
        """A reply is over; of one that its client left early, `body` is what had come."""
        path = request.url.path.removeprefix("/v1")
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        try:
            if response.status_code != 200:
                self._hold("ErrorResponse", json.loads(body))
            elif is_stream:
                self._events(_schema_of(request.method, path, is_stream=True), body)
            elif not _is_undescribed(request.method, path):
                self._hold(_schema_of(request.method, path, is_stream=False), json.loads(body))
        except (AssertionError, ValueError, KeyError) as error:
            self.faults.append(f"{request.method} {path} {response.status_code}: {error}")

    def _events(self, schema: str, body: bytes) -> None:
        for event in body.split(b"\n\n")[:-1]:
            (data,) = [line[6:] for line in event.split(b"\n") if line.startswith(b"data: ")]
            if data == b"[DONE]":
                continue
            value = json.loads(data)
            if "error" in value and "type" not in value:
                self._hold("ErrorResponse", value)
            else:
                self._hold(schema, _as_if_whole(value) if schema == "CreateCompletionResponse" else value)

    def _hold(self, schema: str, value: Any) -> None:
        self.num_checked[schema] += 1
        self._check(schema, _PUT_RIGHT.get(schema, lambda value: value)(value))


class RecordingTransport(httpx2.BaseTransport):
    """A synchronous transport with a recorder beside it."""

    def __init__(self, recorder: Recorder) -> None:
        self._inner = httpx2.HTTPTransport()
        self._recorder = recorder

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._inner.handle_request(request)
        self._recorder.attempts.append((request.url.path, response.status_code))
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Tee(response.stream, lambda body: self._recorder.took(request, response, body))
        return response

    def close(self) -> None:
        self._inner.close()


class AsyncRecordingTransport(httpx2.AsyncBaseTransport):
    """The same for asynchronous clients."""

    def __init__(self, recorder: Recorder) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._recorder = recorder

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        self._recorder.attempts.append((request.url.path, response.status_code))
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _AsyncTee(response.stream, lambda body: self._recorder.took(request, response, body))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Tee(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, over: Callable[[bytes], None]) -> None:
        self._stream, self._over, self._body = stream, over, bytearray()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._body += piece
            yield piece

    def close(self) -> None:
        self._stream.close()
        self._over(bytes(self._body))


class _AsyncTee(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, over: Callable[[bytes], None]) -> None:
        self._stream, self._over, self._body = stream, over, bytearray()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._body += piece
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._over(bytes(self._body))


def _schema_of(method: str, path: str, *, is_stream: bool) -> str:
    for known, pattern, whole, streamed in _SCHEMAS:
        schema = streamed if is_stream else whole
        if known == method and re.fullmatch(pattern, path) and schema is not None:
            return schema
    raise KeyError(f"no schema is known for {'a stream' if is_stream else 'a reply'} of {method} {path}")


def _is_undescribed(method: str, path: str) -> bool:
    return any(method == known and re.fullmatch(pattern, path) for known, pattern in _UNDESCRIBED)


def _as_if_whole(chunk: Any) -> Any:
    """A chunk of a text completion. The document has one shape for both and no null in it, which OpenAI's own streams
    have where a choice has not ended and where the usage is not known yet.
    """
    choices = [
        choice | {"finish_reason": "stop"} if choice["finish_reason"] is None else choice
        for choice in chunk.get("choices", [])
    ]
    return {name: value for name, value in chunk.items() if (name, value) != ("usage", None)} | {"choices": choices}


def _with_numbers(reply: Any) -> Any:
    """Embeddings in base64, which the document does not describe, as the numbers that they stand for."""
    data = []
    for item in reply["data"]:
        if isinstance(item["embedding"], str):
            raw = base64.b64decode(item["embedding"], validate=True)
            item = item | {"embedding": list(struct.unpack(f"<{len(raw) // 4}f", raw))}
        data.append(item)
    return reply | {"data": data}


def _with_answers_alone(page: Any) -> Any:
    """The messages of a stored completion. The document gives them the schema of answers, whose role is `assistant`
    alone; its own example of the list has the user's.
    """
    return page | {"data": [message | {"role": "assistant"} for message in page["data"]]}


_PUT_RIGHT: dict[str, Callable[[Any], Any]] = {
    "CreateEmbeddingResponse": _with_numbers,
    "ChatCompletionMessageList": _with_answers_alone,
}
