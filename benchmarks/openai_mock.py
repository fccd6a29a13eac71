"""A stand-in for an OpenAI chat server that costs next to nothing, so that a benchmark measures its client.

`python benchmarks/openai_mock.py --delay-s 0.05` prints its port, and answers every chat request after the delay with
the last word of the last message, streamed or whole as it is asked. `GET /stats` tells what it has seen, `POST /reset`
forgets it. With `--pieces N` a streamed answer is ` 0`, ` 1`, … in N chunks, the delay before each but the first.
A protocol on a bare socket, of the standard library and uvloop alone, as the clients' work must not wait for a
framework's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
from collections.abc import Callable
from typing import cast

CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock", "usage": None}
USAGE = {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21}


class Seen:
    """What came in. `span_s` runs from the first request to the last reply."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything but the processor time."""
        self.num_requests = self.num_now = self.most_at_once = 0
        self.first_s: float | None = None
        self.last_s = 0.0

    def told(self) -> bytes:
        """All of it as JSON. Instants are of the system-wide monotonic clock."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        told = {
            "num_requests": self.num_requests,
            "most_at_once": self.most_at_once,
            "first_s": self.first_s,
            "span_s": self.last_s - (self.first_s or 0.0),
            "cpu_s": usage.ru_utime + usage.ru_stime,
        }
        return json.dumps(told).encode()


class MockServer(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Seen, delay_s: float, num_pieces: int) -> None:
        self.seen = seen
        self.delay_s = delay_s
        self.num_pieces = num_pieces
        self.buffer = b""
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take every request that is whole."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = CONTENT_LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < total:
                return
            body, self.buffer = self.buffer[end + 4 : total], self.buffer[total:]
            self.take(head, body)

    def take(self, head: bytes, body: bytes) -> None:
        """Answer one request, chat requests after the delay."""
        if head.startswith(b"GET /stats"):
            self.transport.write(http(self.seen.told()))
        elif head.startswith(b"POST /reset"):
            self.seen.reset()
            self.transport.write(http(b"{}"))
        elif head.startswith(b"POST") and b"/chat/completions" in head.split(b"\r\n", 1)[0]:
            seen = self.seen
            seen.first_s = seen.first_s or self.loop.time()
            seen.num_requests += 1
            seen.num_now += 1
            seen.most_at_once = max(seen.most_at_once, seen.num_now)
            if self.num_pieces:
                self.transport.write(STREAM_HEAD)
                self.write_piece(0)
            else:
                self.loop.call_later(self.delay_s, self.answer, json.loads(body))
        else:
            self.transport.write(http(b'{"object": "list", "data": []}'))

    def answer(self, asked: dict) -> None:
        """Say the last word of the last message."""
        self.seen.num_now -= 1
        self.seen.last_s = self.loop.time()
        content = asked["messages"][-1]["content"]
        if isinstance(content, list):
            content = content[0]["text"]
        word = content.split()[-1]
        if not self.transport.is_closing():
            self.transport.write(streamed(word) if asked.get("stream") else http(completion(word)))

    def write_piece(self, number: int) -> None:
        """The next chunk of a stream, and after the last one its end."""
        if self.transport.is_closing():
            return
        end = "stop" if number == self.num_pieces else None
        choice = {"index": 0, "delta": {} if end else {"content": f" {number}"}, "finish_reason": end}
        event = b"data: %s\n\n%s" % (json.dumps(CHUNK | {"choices": [choice]}).encode(), DONE if end else b"")
        self.transport.write(b"%x\r\n%s\r\n%s" % (len(event), event, b"0\r\n\r\n" if end else b""))
        if end is None:
            self.loop.call_later(self.delay_s, self.write_piece, number + 1)


def completion(word: str) -> bytes:
    message = {"role": "assistant", "content": word, "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "mock", "choices": [choice], "usage": USAGE}
    return json.dumps(reply).encode()


def streamed(word: str) -> bytes:
    pieces = [({"role": "assistant", "content": ""}, None), ({"content": word}, None), ({}, "stop")]
    chunks = [CHUNK | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in pieces]
    chunks.append(CHUNK | {"choices": [], "usage": USAGE})
    events = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + DONE
    return STREAM_HEAD + b"%x\r\n%s\r\n0\r\n\r\n" % (len(events), events)


def http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


async def serve(delay_s: float, port: int, num_pieces: int) -> None:
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: MockServer(seen, delay_s, num_pieces), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-s", type=float, default=0.05)
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--pieces", type=int, default=0, help="of a streamed answer; 0: the last word")
    args = parser.parse_args()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(args.delay_s, args.port, args.pieces))
