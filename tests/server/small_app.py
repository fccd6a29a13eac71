"""Applications of a route or two, for tests of what stands around endpoints."""

from __future__ import annotations

import json
from typing import Any

from asgi import Answer
from scripted import Scripted, clock, counted_ids, models_of

from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.models import model_routes
from seatrial.server.http import Call, Reply, Route

CHAT = "/v1/chat/completions"
ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def echo(call: Call) -> Reply:
    seen = {
        "method": call.method,
        "body": call.body.decode(),
        "values": dict(call.path_values),
        "query": dict(call.query),
        "key": call.key_id,
    }
    return Reply(json.dumps(seen).encode(), headers=((b"x-own", b"1"), (b"server", b"theirs")))


def app_of(*routes: Route, **more: Any) -> Application:
    return Application([Route("GET", "/get", echo), Route("POST", "/post", echo, is_generation=True), *routes], **more)


def chat_app(provider: Scripted, **more: Any) -> Application:
    models = models_of(provider)
    return Application([*chat_routes(models, clock=clock, new_id=counted_ids()), *model_routes(models)], **more)


def assert_error(answer: Answer, status: int, code: str | None) -> None:
    assert answer.status == status, answer
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.error["code"] == code
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)
