"""A server of the OpenAI API (chat and text completions) that answers, and fails, as it is told.

Runs in the test's own loop on a loopback port. A `Script` makes one reply; `StandIn(choose)` asks `choose` for the
script of each request. What was asked is kept in `asked`; `num_abandoned` counts replies whose client went away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

KEY = "sk-stand-in-0123456789abcdef"


@dataclass(frozen=True)
class Asked:
    headers: dict[str, str]
    body: dict[str, Any]
    path: str = "/v1/chat/completions"

    @property
    def text(self) -> str:
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn:
    def __init__(self, choose: Callable[[Asked], Script] | Script) -> None:
        self._choose = choose
        self.asked: list[Asked] = []
        self.num_abandoned = 0
        self.abandoned = asyncio.Event()

    async def __aenter__(self) -> StandIn:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        app.router.add_post("/v1/completions", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(headers, await request.json(), request.path)
        self.asked.append(asked)
        script = self._choose(asked) if not asyncio.iscoroutinefunction(self._choose) else self._choose
        try:
            return await script(request)
        except (asyncio.CancelledError, ConnectionResetError):
            self.num_abandoned += 1
            self.abandoned.set()
            raise


def answer(text: str, **usage: int) -> Script:
    """A proper stream: the role, the text in two pieces, the end, the usage."""
    half = len(text) // 2
    counts = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10} | usage
    return chunks(
        [
            delta(role="assistant", content=""),
            delta(content=text[:half]),
            delta(content=text[half:]),
            finish("stop"),
            event({"choices": [], "usage": counts}),
            b"data: [DONE]\n\n",
        ]
    )


def event(chunk: dict[str, Any]) -> bytes:
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "usage": None} | chunk
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


def finish(reason: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def chunks(
    pieces: list[bytes], *, pause_s: float = 0.0, content_type: str = "text/event-stream", then: str = "end"
) -> Script:
    """`pieces` as the body, `pause_s` between them. `then`: `end`, `cut` (no chunked terminator), `reset` or `hang`."""

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause_s)
        if then == "hang":
            await asyncio.sleep(60)
        if then in ("cut", "reset") and request.transport is not None:
            await asyncio.sleep(0.01)
            if then == "reset":
                request.transport.abort()
            else:
                request.transport.close()
            await asyncio.sleep(60)
        return response

    return script


def refusal(status: int, body: str | dict[str, Any] = "", **headers: str) -> Script:
    """An error reply. Header names with underscores for dashes."""

    async def script(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            return web.json_response(body, status=status, headers=named)
        return web.Response(text=body, status=status, headers=named)

    return script


def openai_error(message: str, type: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def whole(body: str | dict[str, Any], content_type: str = "application/json") -> Script:
    """A reply that is not streamed."""

    async def script(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, content_type=content_type)

    return script


def completion(text: str) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


async def hang(request: web.Request) -> web.StreamResponse:
    """No reply at all."""
    await asyncio.sleep(60)
    return web.Response()


async def reset(request: web.Request) -> web.StreamResponse:
    """The connection is reset before any reply."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def in_turn(*scripts: Script) -> Callable[[Asked], Script]:
    """The first request gets the first script, and so on; the last one serves all that follow."""
    left = list(scripts)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]
