"""Runs the `seatrial` command as a user would: another process, a clean environment, an empty folder."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

CONTRACT = str(Path(__file__).resolve().parents[1] / "contract")
if CONTRACT not in sys.path:
    sys.path.insert(0, CONTRACT)

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


@pytest.fixture
def seatrial(tmp_path: Path, environment: dict[str, str]) -> Seatrial:
    """Run `seatrial WORD…` in `tmp_path` to its end; `env` adds variables, `stdin` is fed."""

    def run(*words: str | Path, env: dict[str, str] | None = None, stdin: str = "") -> Ran:
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            cwd=tmp_path,
            env=environment | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def start_seatrial(tmp_path: Path, environment: dict[str, str]) -> Callable[..., object]:
    """Start `seatrial WORD…` beside a stand-in server that runs in this test's loop."""

    async def start(*words: str | Path, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *map(str, words),
            cwd=tmp_path,
            env=environment | (env or {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=_hear_ctrl_c,
        )

    return start


def _hear_ctrl_c() -> None:
    """A shell that runs the tests in the background has them ignore Ctrl-C, and the command would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
