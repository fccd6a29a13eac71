"""Load on an OpenAI server, and what came of it: requests at once, one after the other, and streams side by side.

In: a URL and a body. Out: rates, latencies and arrival times, each answer checked. The client is a bare socket, so that
its own work stays small beside the server's; `wrk` makes the load where many requests a second are wanted.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_CHAT = "/v1/chat/completions"
_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
"""


class Rate(NamedTuple):
    """Requests a second, and their latency in the middle and at the end, seconds."""

    per_s: float
    p50_s: float
    p99_s: float


@dataclass
class Stream:
    """One streamed answer. `arrivals_s` are those of pieces with text, on the monotonic clock."""

    asked_s: float
    arrivals_s: list[float] = field(default_factory=list)
    text: str = ""
    num_tokens: int = 0
    finish: str | None = None

    @property
    def first_s(self) -> float:
        """How long the first piece took."""
        return self.arrivals_s[0] - self.asked_s


def chat_body(model: str, content: str, **more: Any) -> bytes:
    """A request for a chat completion."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": content}], **more}).encode()


def answer(url: str, body: bytes) -> str:
    """What the model says, whole."""
    with OneConnection(url) as connection:
        return str(json.loads(connection.ask(body))["choices"][0]["message"]["content"])


def rate(url: str, body: bytes, *, connections: int, seconds: float) -> Rate:
    """Whole answers as fast as they come. Needs `wrk`; raises RuntimeError where an answer was none."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is absent; on Debian `apt-get install wrk` brings it")
    with TemporaryDirectory() as folder:
        script = Path(folder, "post.lua")
        script.write_text(_LUA % body.decode())
        load = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
        command = ["wrk", *load, "--timeout", "30s", "--latency", "--script", str(script), url + _CHAT]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{url} did not answer every request:\n{said}")
    per_s = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
    return Rate(per_s, *(_seconds(re.search(rf"\s{share}%\s+([\d.]+)(us|ms|s)", said)) for share in (50, 99)))


def latencies_s(url: str, body: bytes, num: int) -> list[float]:
    """How long each of `num` whole answers takes, one after the other on one connection."""
    with OneConnection(url) as connection:
        expected = len(connection.ask(body))
        times_s = []
        for _ in range(num):
            start = time.perf_counter()
            length = len(connection.ask(body))
            times_s.append(time.perf_counter() - start)
            if abs(length - expected) > 4:  # a number in it may have a digit more
                raise RuntimeError(f"{url} gave {length} bytes, and {expected} before")
    return times_s


class OneConnection:
    """A connection that stays, for one request after the other."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._head = f"POST {_CHAT} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> OneConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, body: bytes) -> bytes:
        """The body of the answer. Raises RuntimeError for an error."""
        self._socket.sendall(f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._read()
        length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", received)[1])
        while len(received) < end + 4 + length:
            received += self._read()
        if not received.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"an error instead of an answer: {bytes(received[:400])!r}")
        return bytes(received[end + 4 :])

    def _read(self) -> bytes:
        piece = self._socket.recv(65536)
        if not piece:
            raise RuntimeError("the server closed the connection")
        return piece


async def streams(url: str, bodies: Sequence[bytes]) -> list[Stream]:
    """The streamed answers to all bodies at once; each asks for `stream` itself."""
    return await asyncio.gather(*(_stream(url, body) for body in bodies))


async def _stream(url: str, body: bytes) -> Stream:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {_CHAT} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    stream = Stream(time.monotonic())
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        async for line in reader:
            if line.startswith(b"data: {"):
                _take(stream, json.loads(line[6:]))
            elif line.startswith(b"data: [DONE]"):
                break
            elif line.startswith(b"HTTP/1.1") and b" 200 " not in line:
                raise RuntimeError(f"an error instead of a stream: {(line + await reader.read(2000))!r}")
    finally:
        writer.close()
    if stream.finish is None:
        raise RuntimeError(f"a stream of {len(stream.arrivals_s)} pieces came to no end")
    return stream


def _take(stream: Stream, chunk: dict[str, Any]) -> None:
    if "error" in chunk:
        raise RuntimeError(f"a stream failed: {chunk}")
    if usage := chunk.get("usage"):
        stream.num_tokens = usage["completion_tokens"]
    for choice in chunk["choices"]:
        stream.finish = choice.get("finish_reason") or stream.finish
        if text := choice["delta"].get("content"):
            stream.arrivals_s.append(time.monotonic())
            stream.text += text


def _seconds(found: re.Match[str]) -> float:
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]
