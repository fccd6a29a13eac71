"""HTTP/1.1 over real sockets: requests in any pieces, one after another, whole or broken; replies of every kind."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.server.asgi import Message, Receive, Send
from seatrial.server.http1 import MAX_HEAD_BYTES, Listener

LARGE = 5_000_000


async def echo(scope: Any, receive: Receive, send: Send) -> None:
    """Says what it was asked. `/stream` in pieces, `/large` much, `/unread` without reading the body first."""
    path, body = scope["path"], b""
    if path != "/unread":
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
    asked = {
        "method": scope["method"],
        "path": path,
        "raw_path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    said = b"x" * LARGE if path == "/large" else json.dumps(asked).encode()
    headers = [(b"content-type", b"application/json")]
    if path == "/broken":
        raise RuntimeError("broken")
    if path == "/two-lines":
        headers.append((b"x-evil", b"a\r\nset-cookie: b"))
    if path != "/stream":
        headers.append((b"content-length", b"%d" % len(said)))
    await send({"type": "http.response.start", "status": 204 if path == "/nothing" else 200, "headers": headers})
    if path == "/stream":
        for at in range(0, len(said), 7):
            await send({"type": "http.response.body", "body": said[at : at + 7], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": said})
    if path == "/unread":
        while (await receive())["type"] == "http.request":
            pass


def refuse(status: int, why: str) -> bytes:
    return json.dumps({"error": {"message": why, "status": status}}).encode()


class Client:
    """A listener and a connection to it."""

    def __init__(self, listener: Listener, port: int) -> None:
        self.listener, self.port = listener, port

    async def say(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """All that comes back until the connection ends. The client closes its side only after that."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


async def serving(app: Any = echo, idle_s: float = 75.0) -> Client:
    listener = Listener(app, refuse, idle_s=idle_s)
    await listener.listen("127.0.0.1", 0, 64)
    assert listener.port is not None
    return Client(listener, listener.port)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = await serving()
    yield client
    await client.listener.close(1.0)


def request(path: str = "/", *, body: bytes = b"", method: str = "POST", close: bool = False, more: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    end = "Connection: close\r\n" if close else ""
    return f"{method} {path} HTTP/1.1\r\nHost: h\r\n{length}{end}{more}\r\n".encode() + body


def replies(raw: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each reply to a request that is not HEAD."""
    found = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        code = int(status.split()[1])
        if headers.get("transfer-encoding") == "chunked":
            body, raw = _unchunked(raw)
        elif "content-length" in headers and code != 204:
            size = int(headers["content-length"])
            body, raw = raw[:size], raw[size:]
        else:
            body, raw = (b"", raw) if code == 204 else (raw, b"")
        found.append((code, headers, body))
    return found


def _unchunked(raw: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        body, raw = body + raw[:length], raw[length + 2 :]
        if not length:
            return body, raw


async def test_a_request_reaches_the_application_as_it_was_sent(client: Client) -> None:
    raw = await client.say(request("/a%2Fb%20c?d=%41", body=b"hi", more="X-Two: 1\r\nx-two: 2\r\n", close=True))
    [(status, headers, body)] = replies(raw)
    asked = json.loads(body)
    assert (status, asked["path"], asked["raw_path"], asked["query"]) == (200, "/a/b c", "/a%2Fb%20c", "d=%41")
    assert asked["method"] == "POST"
    assert asked["body"] == "hi"
    assert [pair for pair in asked["headers"] if pair[0] == "x-two"] == [["x-two", "1"], ["x-two", "2"]]
    assert headers["connection"] == "close"
    assert headers["date"].endswith("GMT")


async def test_an_absolute_target_is_read_as_its_path(client: Client) -> None:
    raw = await client.say(b"GET http://h:80/a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert json.loads(replies(raw)[0][2])["raw_path"] == "/a"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 600), max_size=6), paths=st.lists(st.sampled_from(["/", "/stream"]), min_size=1))
async def test_replies_do_not_depend_on_how_requests_are_cut(cuts: list[int], paths: list[str]) -> None:
    client = await serving()
    paths = paths[:5]
    sent = b"".join(request(path, body=b"%d" % at * at, close=at == len(paths) - 1) for at, path in enumerate(paths))
    edges = [0, *sorted({cut for cut in cuts if cut < len(sent)}), len(sent)]
    raw = await client.say(*[sent[a:b] for a, b in itertools.pairwise(edges)])
    await client.listener.close(1.0)
    answered = replies(raw)
    assert [json.loads(body)["path"] for _, _, body in answered] == paths
    assert [json.loads(body)["body"] for _, _, body in answered] == [str(at) * at for at in range(len(paths))]


async def test_a_chunked_body_and_an_announced_one_are_read_whole(client: Client) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    chunked = await client.say(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n")
    assert json.loads(replies(chunked)[0][2])["body"] == "hello"
    announced = await client.say(head + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", b"hello", pause_s=0.05)
    go_on, _, rest = announced.partition(b"\r\n\r\n")
    assert go_on == b"HTTP/1.1 100 Continue"
    assert json.loads(replies(rest)[0][2])["body"] == "hello"


async def test_replies_without_a_body_and_for_old_clients(client: Client) -> None:
    head = await client.say(request("/stream", method="HEAD", close=True))
    assert head.endswith(b"\r\n\r\n")
    nothing = await client.say(request("/nothing") + request("/", close=True))
    assert [status for status, _, _ in replies(nothing)] == [204, 200]
    old = await client.say(b"GET /stream HTTP/1.0\r\n\r\n")
    [(_, headers, body)] = replies(old)
    assert "transfer-encoding" not in headers
    assert json.loads(body)["path"] == "/stream"


async def test_a_large_reply_waits_for_a_slow_reader(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1024)
    writer.write(request("/large", method="GET", close=True))
    await asyncio.sleep(0.2)
    raw = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert len(replies(raw)[0][2]) == LARGE


async def test_a_large_body_waits_for_the_application(client: Client) -> None:
    raw = await client.say(request("/", body=b"y" * 1_000_000, close=True))
    assert len(json.loads(replies(raw)[0][2])["body"]) == 1_000_000


async def test_an_early_reply_reaches_a_client_that_is_still_sending(client: Client) -> None:
    raw = await client.say(request("/unread", body=b"z" * 3_000_000), request("/", close=True))
    assert [json.loads(body)["path"] for _, _, body in replies(raw)] == ["/unread", "/"]


async def test_after_an_early_reply_nobody_is_told_to_go_on(client: Client) -> None:
    head = b"POST /unread HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    raw = await client.say(head, b"hello" + request("/", close=True), pause_s=0.05)
    assert b"100 Continue" not in raw
    assert [json.loads(body)["path"] for _, _, body in replies(raw)] == ["/unread", "/"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * (MAX_HEAD_BYTES + 10), 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n", 431),
    ],
)
async def test_what_is_no_request_is_told_so(client: Client, sent: bytes, status: int) -> None:
    [(found, headers, body)] = replies(await client.say(sent))
    assert found == status
    assert headers["connection"] == "close"
    assert json.loads(body)["error"]["status"] == status


async def test_nonsense_behind_a_request_leaves_its_reply_whole(client: Client) -> None:
    raw = await client.say(request("/stream") + b"nonsense\r\n\r\n")
    assert json.loads(replies(raw)[0][2])["path"] == "/stream"


async def test_another_protocol_is_not_spoken(client: Client) -> None:
    raw = await client.say(request("/", method="GET", more="Connection: Upgrade\r\nUpgrade: h2c\r\n"))
    assert [status for status, _, _ in replies(raw)] == [200]


@pytest.mark.parametrize("path", ["/broken", "/two-lines"])
async def test_an_application_that_breaks_ends_the_connection(client: Client, path: str) -> None:
    assert b"set-cookie" not in await client.say(request(path))
    assert client.listener.connections == set()


async def test_a_client_that_leaves_is_noticed_at_once() -> None:
    gone = asyncio.Event()

    async def waits(scope: Any, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    client = await serving(waits)
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(request())
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.wait_for(gone.wait(), 0.5)
    await client.listener.close(1.0)


async def test_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.server.http1._SWEEP_S", 0.05)
    client = await serving(idle_s=0.1)
    assert await client.say(b"GET / HT") == b""
    await client.listener.close(1.0)


async def test_closing_lets_a_reply_come_to_its_end() -> None:
    begun = asyncio.Event()

    async def slowly(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        begun.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            await asyncio.sleep(0.03)
            await send({"type": "http.response.body", "body": b"piece", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    client = await serving(slowly)
    asked = asyncio.create_task(client.say(request()))
    await begun.wait()
    await client.listener.close(2.0)
    assert replies(await asked)[0][2] == b"piece" * 5
    with pytest.raises(OSError):
        await client.say(request())
