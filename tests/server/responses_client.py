"""Calls the endpoints of responses, and holds every reply against OpenAI's document and the types of its package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import pydantic
from openai.types.responses import Response, ResponseItem, ResponseStreamEvent
from scripted import Scripted, bytes_of, clock, counted_ids, data_values, models_of

from seatrial.chat import ChatRequest, Finished, TextDelta
from seatrial.providers.base import Provider
from seatrial.server.endpoints.responses import response_routes
from seatrial.server.http import Call, Reply, Streamed
from seatrial.server.routing import RouteTable

Check = Callable[[str, Any], None]

_union, _ = get_args(ResponseStreamEvent)
_events = {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(_union)}
_item = pydantic.TypeAdapter[Any](ResponseItem)


class ResponsesClient:
    """A client of the endpoints alone, without HTTP. What an endpoint raises rises."""

    def __init__(self, provider: Provider | None, check: Check, **options: Any) -> None:
        self.provider = provider or Scripted()
        self.models = models_of(self.provider)
        self.table = RouteTable(response_routes(self.models, clock=clock, new_id=counted_ids(), **options))
        self._check = check

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key_id: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply | Streamed:
        """Any call."""
        found = self.table.find(path)
        assert found is not None, path
        encoded = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        call = Call(method, path, "req-1", encoded, query=query or {}, path_values=found.values, key_id=key_id)
        self.last_call = call
        return await found.by_method[method].endpoint(call)

    async def create(self, *, key_id: str | None = None, **body: Any) -> dict[str, Any]:
        """A response, not streamed."""
        return self.response(await self.send("POST", "/v1/responses", {"model": "m", **body}, key_id=key_id))

    async def stream(self, *, key_id: str | None = None, **body: Any) -> list[dict[str, Any]]:
        """The events of a streamed response."""
        body = {"model": "m", "stream": True, **body}
        return self.events(await bytes_of(await self.send("POST", "/v1/responses", body, key_id=key_id)))

    async def get(self, path: str, *, key_id: str | None = None, **query: str) -> Reply | Streamed:
        return await self.send("GET", f"/v1/responses/{path}", key_id=key_id, query=query)

    async def retrieve(self, response_id: str, *, key_id: str | None = None) -> dict[str, Any]:
        return self.response(await self.get(response_id, key_id=key_id))

    async def cancel(self, response_id: str) -> dict[str, Any]:
        return self.response(await self.send("POST", f"/v1/responses/{response_id}/cancel"))

    async def input_items(self, response_id: str, **query: str) -> dict[str, Any]:
        reply = await self.get(f"{response_id}/input_items", **query)
        assert isinstance(reply, Reply)
        page: dict[str, Any] = json.loads(reply.body)
        self._check("ResponseItemList", page)
        for item in page["data"]:
            _item.validate_python(item)
        return page

    def response(self, reply: Reply | Streamed) -> dict[str, Any]:
        """A reply that is a response."""
        assert isinstance(reply, Reply)
        assert reply.status == 200
        value: dict[str, Any] = json.loads(reply.body)
        self._check("Response", value)
        Response.model_validate(value)
        return value

    def events(self, body: bytes) -> list[dict[str, Any]]:
        """The events in a stream, each named by its line."""
        for block in body.removesuffix(b"\n\n").split(b"\n\n"):
            name, data = block.split(b"\n")
            assert name == b"event: " + json.loads(data.removeprefix(b"data: "))["type"].encode()
        events = list(data_values(body))
        for event in events:
            self._check("ResponseStreamEvent", event)
            _events[event["type"]].model_validate(event)
        return events


def echo(request: ChatRequest) -> Iterable[Any]:
    """A script: says the roles and texts that it was shown."""
    said = " | ".join(f"{message.role}: {message.text}" for message in request.messages)
    return (TextDelta(said), Finished("stop"))


def text_of(response: Mapping[str, Any]) -> str:
    """All that a response says."""
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])
