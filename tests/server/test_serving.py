"""The process that serves: its port, its signals, and clients that leave, stall or stay idle. Over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.errors import UsageError
from seatrial.server.serving import Address, resolve

PROCESS = str(Path(__file__).parent / "serving_process.py")


class Server:
    """A server process. `port` is known when it listens, `wait_ready` returns when it answers."""

    def __init__(self, drain_s: float, *how: str) -> None:
        words = [sys.executable, PROCESS, "127.0.0.1", "0", str(drain_s), *how]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.out = self.process.stdout
        self.port = int(self.out.readline())

    def wait_ready(self) -> Server:
        assert self.out.readline() == "ready\n", self.process.stderr and self.process.stderr.read()
        return self

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, within_s: float) -> tuple[int, str]:
        """The exit code, and what was left to read on standard output."""
        out, err = self.process.communicate(timeout=within_s)
        assert "Traceback" not in err, err
        return self.process.returncode, out

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, **body: object) -> socket.socket:
        """A chat request that has been sent."""
        content = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], **body}).encode()
        connection = self.connect()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
        return connection

    def get(self, path: str) -> tuple[int, str]:
        with self.connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            reply = read_all(connection)
        return int(reply.split()[1]), reply

    def generations(self) -> int:
        """How many are being answered now, this question excepted."""
        found = re.search(r"seatrial_requests_in_flight (\d+)", self.get("/metrics")[1])
        assert found
        return int(found[1]) - 1


def read_all(connection: socket.socket) -> str:
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode()


def read_until(connection: socket.socket, text: str) -> str:
    found = ""
    while text not in found:
        piece = connection.recv(65536).decode()
        assert piece, found
        found += piece
    return found


def wait_until(holds: Callable[[], bool], within_s: float) -> float:
    """Seconds until it held."""
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < within_s
        time.sleep(0.005)
    return time.monotonic() - began_s


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def begin(drain_s: float = 20.0, *how: str) -> Server:
        started.append(Server(drain_s, *how))
        return started[-1]

    yield begin
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    """A server for tests that leave it as they found it."""
    server = Server(1.0).wait_ready()
    yield server
    server.process.kill()
    server.process.communicate()


def test_while_loading_it_lives_and_is_not_ready(start: Callable[..., Server]) -> None:
    server = start(20.0, "slow_load")

    def answers() -> bool:
        with contextlib.suppress(ConnectionError):
            return server.get("/healthz")[0] == 200
        return False

    wait_until(answers, 5)
    status, reply = server.get("/readyz")
    assert status == 503
    assert "retry-after: 2" in reply
    with server.ask() as connection:
        assert " 503 " in read_until(connection, "not_ready")
    server.wait_ready()
    assert server.get("/readyz")[0] == 200


def test_a_model_that_cannot_be_loaded_ends_the_server_with_its_reason(start: Callable[..., Server]) -> None:
    server = start(20.0, "no_load")
    out, err = server.process.communicate(timeout=10)
    assert "There are no weights. Pull them." in err
    assert (server.process.returncode, out) == (1, "closed\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_streams_finish(start: Callable[..., Server], number: int) -> None:
    server = start().wait_ready()
    with server.ask(stream=True, max_tokens=40) as connection:
        read_until(connection, "word")
        server.signal(number)
        wait_until(lambda: server.get("/readyz")[0] == 503, 2)
        assert server.get("/healthz")[0] == 200
        with server.ask() as late:
            assert " 503 " in read_until(late, "shutting down")
        rest = read_until(connection, "[DONE]")
        assert '"finish_reason":"length"' in rest
    assert server.ended(within_s=5) == (0, "closed\n")


def test_after_the_drain_time_streams_are_ended_with_an_error(start: Callable[..., Server]) -> None:
    server = start(0.3).wait_ready()
    with server.ask(stream=True) as stream, server.ask() as whole:
        read_until(stream, "word")
        server.signal(signal.SIGTERM)
        assert '"shutting_down"' in read_until(stream, "shutting_down")
        assert " 503 " in read_until(whole, "shutting_down")
    assert server.ended(within_s=5) == (0, "closed\n")


def test_a_second_signal_stops_at_once(start: Callable[..., Server]) -> None:
    server = start(60.0).wait_ready()
    with server.ask(stream=True) as stream:
        read_until(stream, "word")
        server.signal(signal.SIGINT)
        wait_until(lambda: server.get("/readyz")[0] == 503, 2)
        server.signal(signal.SIGINT)
        read_until(stream, "shutting_down")
    assert server.ended(within_s=5) == (0, "closed\n")


def test_an_idle_server_stops_at_once(start: Callable[..., Server]) -> None:
    server = start(60.0).wait_ready()
    with server.connect():
        server.signal(signal.SIGTERM)
        assert server.ended(within_s=5) == (0, "closed\n")


@pytest.mark.slow
def test_a_client_that_does_not_read_does_not_keep_it_from_ending(start: Callable[..., Server]) -> None:
    server = start(0.2).wait_ready()
    with server.ask(stream=True, stop="long") as stream:
        read_until(stream, "word")
        time.sleep(1)
        server.signal(signal.SIGTERM)
        assert server.ended(within_s=10) == (0, "closed\n")


def test_a_killed_server_frees_its_port(start: Callable[..., Server]) -> None:
    server = start().wait_ready()
    with server.ask(stream=True) as stream:
        read_until(stream, "word")
        server.signal(signal.SIGKILL)
        server.process.wait(5)
    assert resolve("127.0.0.1", server.port).port == server.port


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_is_noticed_within_a_tenth_of_a_second(shared: Server, stream: bool) -> None:
    connections = [shared.ask(stream=stream) for _ in range(4)]
    wait_until(lambda: shared.generations() == 4, 2)
    for connection in connections:
        connection.close()
    assert wait_until(lambda: shared.generations() == 0, 2) < 0.1 * (1 + os.getloadavg()[0])
    assert 'status="499"}' in shared.get("/metrics")[1]


def test_a_slow_reader_holds_up_neither_others_nor_memory(shared: Server) -> None:
    with shared.ask(stream=True, stop="long") as slow, shared.ask(stream=True, max_tokens=5) as other:
        slow.recv(10)
        assert "[DONE]" in read_until(other, "[DONE]")
        time.sleep(1.5)
        status = Path(f"/proc/{shared.process.pid}/status")
        if status.exists():
            resident = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
            assert resident
            assert int(resident[1]) < 150_000


def test_hundreds_of_idle_connections_keep_nobody_out(shared: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(shared.connect())
        with shared.ask(max_tokens=2) as connection:
            assert "word word" in read_until(connection, "word word")


def test_a_large_body_is_refused_and_the_connection_lives_on(shared: Server) -> None:
    with shared.connect() as connection:
        size = 30_000_000
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sender = threading.Thread(
            target=connection.sendall, args=(f"{head}Content-Length: {size}\r\n\r\n".encode() + b" " * size,)
        )
        sender.start()
        assert " 413 " in read_until(connection, "request_too_large")
        sender.join(10)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert " 200 " in read_until(connection, "ok")


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} of 127.0.0.1 is in use"):
            resolve("127.0.0.1", port)


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no such option here")
def test_a_port_that_another_would_share_is_in_use_too() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken, pytest.raises(UsageError, match="in use"):
        resolve("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "a" * 300, "not a host"])
def test_a_host_that_is_not_here_is_said(host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        resolve(host, 0)


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_cannot_be_is_said(port: int) -> None:
    with pytest.raises(UsageError, match="--port"):
        resolve("127.0.0.1", port)


def test_addresses_are_shown_as_people_reach_them() -> None:
    assert Address("0.0.0.0", 80).url == "http://127.0.0.1:80"
    assert Address("::", 80).url == "http://[::1]:80"
    assert Address("::1", 80).url == "http://[::1]:80"
    assert Address("192.0.2.1", 80).url == "http://192.0.2.1:80"
    found = resolve("localhost", 0)
    assert found.is_loopback
    assert found.port > 0
