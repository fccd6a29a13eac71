"""A video that takes long to decode: whoever wants no more of it is not kept waiting, by `ask` or by a server.

What stops it is tested by itself in models/pictures/test_decoding_bounds.py and providers/test_picture_room.py.
"""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

EYES = "tiny-eyes"
# Without being stopped, decoding goes on for many times as long.
SOON_S = 5.0


def write_slow_film(path: Path) -> Path:
    """1,920 × 1,080 with a single keyframe, all to be decoded for its last frame: quick to write, long to read."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "bf": "0", "g": "100000"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        grey = av.VideoFrame(1920, 1080, "yuv420p")
        for plane in grey.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        packets = []
        for number in range(32):
            grey.pts, grey.time_base = number, Fraction(1, 10)
            packets += stream.encode(grey)
        contents = [bytes(packet) for packet in [*packets, *stream.encode()]]
        for number in range(16_000):
            packet = av.Packet(contents[number % len(contents)])
            packet.stream, packet.time_base = stream, Fraction(1, 10)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, number == 0
            container.mux(packet)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow_film(tmp_path_factory.mktemp("films") / "slow.mkv")


@pytest.fixture(scope="module")
def eyes(tiny_vision: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vision().write_folder(tmp_path_factory.mktemp("seeing") / EYES)


@pytest.fixture
def begin(eyes: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts `seatrial serve WORD…`."""
    from server_process import ServerProcess

    started: list[ServerProcess] = []

    def start(*words: str) -> ServerProcess:
        started.append(ServerProcess(str(eyes), "--port", "0", *words, log=tmp_path / "server.log"))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


def shows(server: Any, film: Path) -> socket.socket:
    """A client that asks about the film, once that is being decoded."""
    address = urlsplit(server.url)
    url = f"data:video/mp4;base64,{base64.b64encode(film.read_bytes()).decode()}"
    content = [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": "hello"}]
    body = json.dumps({"model": EYES, "max_tokens": 4, "messages": [{"role": "user", "content": content}]}).encode()
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    before = cpu_s(server.process.pid)
    server.seconds_until(lambda: cpu_s(server.process.pid) - before > 1.5)
    connection.settimeout(0.01)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    return connection


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def seconds_to_end(server: Any) -> float:
    start = time.monotonic()
    assert server.stop() == 0, server.said()
    assert "Traceback" not in server.said()
    return time.monotonic() - start


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc"),
]


def test_a_server_that_is_told_to_end_does_not_wait_for_a_video(begin: Callable[..., Any], film: Path) -> None:
    server = begin("--drain-seconds", "0.2")
    with shows(server, film):
        assert seconds_to_end(server) < SOON_S


def test_a_client_that_leaves_stops_its_video(begin: Callable[..., Any], film: Path) -> None:
    server = begin()
    clients = [shows(server, film), shows(server, film)]
    for client in clients:
        client.close()
    server.seconds_until(lambda: server.total("requests_in_flight") == 1)
    time.sleep(1.0)
    before = cpu_s(server.process.pid)
    time.sleep(1.0)
    assert cpu_s(server.process.pid) - before < 0.3
    assert seconds_to_end(server) < SOON_S


def test_ctrl_c_ends_ask_while_it_decodes(eyes: Path, film: Path, tmp_path: Path) -> None:
    from server_process import COMMAND, environment

    words = [*COMMAND, "ask", str(eyes), "hello", "--video", str(film), "--max-tokens", "4"]
    process = subprocess.Popen(
        words,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stderr is not None
        while " takes." not in (line := process.stderr.readline()):
            assert line
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - start < SOON_S
        assert (process.returncode, out, err.strip()) == (130, "", "Interrupted.")
    finally:
        process.kill()
        process.wait()
