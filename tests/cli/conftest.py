"""Runs the `seatrial` command as a user would: another process, a clean environment, an empty folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pytest

for folder in ("contract", "server"):
    if (place := str(Path(__file__).resolve().parents[1] / folder)) not in sys.path:
        sys.path.insert(0, place)

COMMAND = [sys.executable, "-c", "from seatrial.cli.main import run; run()"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Seatrial = Callable[..., Ran]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "SEATRIAL_"))}
    return kept | {"SEATRIAL_HOME": str(tmp_path / "home"), "COLUMNS": "160"}


@pytest.fixture(scope="session")
def warm_process() -> Iterator[socket.socket]:
    """See `warm_process.py`."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, str(Path(__file__).with_name("warm_process.py")), str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.settimeout(100)
        yield ours
        ours.close()
        process.wait(10)


@pytest.fixture
def seatrial(tmp_path: Path, environment: dict[str, str], warm_process: socket.socket) -> Seatrial:
    """Run `seatrial WORD…` in `tmp_path` to its end; `env` adds variables, `stdin` is fed."""

    def run(*words: str | Path, env: dict[str, str] | None = None, stdin: str | bytes = "") -> Ran:
        order = {"words": [*map(str, words)], "folder": str(tmp_path), "environment": environment | (env or {})}
        with TemporaryFile() as fed, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            fed.write(stdin.encode() if isinstance(stdin, str) else stdin)
            fed.flush()
            fed.seek(0)
            socket.send_fds(warm_process, [json.dumps(order).encode()], [file.fileno() for file in (fed, out, err)])
            (code,) = struct.unpack("i", warm_process.recv(4))
            out.seek(0)
            err.seek(0)
            ran = Ran(code, out.read(), err.read())
        assert "Traceback" not in ran.err, ran.err
        return ran

    return run


@pytest.fixture
def seatrial_beside(seatrial: Seatrial) -> Callable[..., Awaitable[Ran]]:
    """`seatrial` beside a stand-in server that runs in this test's loop."""

    async def run(*words: str | Path, **options: Any) -> Ran:
        return await asyncio.to_thread(seatrial, *words, **options)

    return run


@pytest.fixture
def start_seatrial(tmp_path: Path, environment: dict[str, str]) -> Callable[..., object]:
    """Start `seatrial WORD…`, to be watched, or sent signals, while it runs. A second of imports each time."""

    async def start(*words: str | Path, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *map(str, words),
            cwd=tmp_path,
            env=environment | (env or {}),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=_hear_ctrl_c,
        )

    return start


def _hear_ctrl_c() -> None:
    """A shell that runs the tests in the background has them ignore Ctrl-C, and the command would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
