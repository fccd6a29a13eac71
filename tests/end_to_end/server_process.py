"""`seatrial serve` as a process: started, found by the URL that it prints, asked for its metrics, stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

COMMAND = [sys.executable, "-c", "from seatrial.cli.main import run; run()"]
_URL = re.compile(r" at (http://\S+)/v1\.")
_START_S = 60.0


class ServerProcess:
    """A running server. `url` is without the `/v1`; what it says goes to `log`."""

    def __init__(self, *words: str, log: Path, home: Path | None = None) -> None:
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", *words],
                env=environment(home),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=_hear_ctrl_c,
            )
        try:
            self.url = self._read_url()
        except BaseException:
            self.process.kill()
            raise

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with its labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def total(self, name: str) -> float:
        """The sum of a family's samples, such as `engine_running`, over all labels."""
        family = f"seatrial_{name}"
        return sum(value for sample, value in self.metrics().items() if sample.partition("{")[0] == family)

    def seconds_until(self, holds: Callable[[], bool], *, most_s: float = 10.0) -> float:
        """How long it takes until something holds, asked every few milliseconds. Fails after `most_s`."""
        start = time.monotonic()
        while not holds():
            assert time.monotonic() - start < most_s, f"still not so after {most_s} s\n{self.said()}"
            time.sleep(0.005)
        return time.monotonic() - start

    def said(self) -> str:
        """The end of what it wrote to standard error."""
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _read_url(self) -> str:
        assert self.process.stdout is not None
        deadline = threading.Timer(_START_S, self.process.kill)
        deadline.start()
        try:
            for line in self.process.stdout:
                if found := _URL.search(line):
                    threading.Thread(target=_drain, args=(self.process.stdout,), daemon=True).start()
                    return found[1]
        finally:
            deadline.cancel()
        raise AssertionError(f"`seatrial serve` ended before it was ready:\n{self.said()}")


def run_seatrial(*words: str, home: Path) -> str:
    """Run another command to its end; what it wrote to standard output."""
    command = [*COMMAND, *words]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def environment(home: Path | None) -> Mapping[str, str]:
    """This process's, without what would point the server elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return kept if home is None else kept | {"SEATRIAL_HOME": str(home)}


def _drain(stream: IO[str]) -> None:
    for _ in stream:
        pass


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
