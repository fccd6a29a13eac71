"""Engines as processes: how each is installed, started, called, and what the machine under them can do at most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

PEERS = Path(__file__).resolve().parent
CACHE = PEERS.parents[1] / ".cache" / "peers"
# `-march=native` for ggml; its own threads, since two OpenMP runtimes would meet otherwise.
LLAMA_FLAGS = "-DGGML_NATIVE=ON -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF"


class Reply(NamedTuple):
    """What a call gave, and how long it took as a whole."""

    value: Any
    seconds: float


class Peer:
    """One engine in a process of its own, on the first `threads` cores that this process may use."""

    def __init__(self, name: str, command: list[str], threads: int) -> None:
        self.name = name
        cores = sorted(os.sched_getaffinity(0))[:threads]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        self._log = CACHE / f"{name.replace(' ', '-')}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
                cwd=PEERS,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def call(self, method: str, **args: Any) -> Reply:
        """Ask and wait. Raises RuntimeError with what the engine said, or where it died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": method, "args": args}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} died in `{method}` (code {self._process.wait()}); see {self._log}")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"{self.name} failed in `{method}`: {reply['error']}; see {self._log}")
        return Reply(reply["value"], reply["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def command(name: str, path: Path, threads: int, *, level: str | None, llama: Path) -> list[str]:
    """How an engine is started on a file; names begin with the engine's."""
    python, words = sys.executable, [str(path), str(threads)]
    if name.startswith("Seatrial"):
        return [python, str(PEERS / "seatrial_worker.py"), *words, *([level] if level else [])]
    if name == "llama.cpp":
        return [str(llama / "bin" / "python"), str(PEERS / "llama_worker.py"), *words]
    dtypes = {"transformers bf16": "bfloat16", "transformers f32": "float32"}
    return [python, str(PEERS / "transformers_worker.py"), *words, dtypes[name]]


def quantise_gguf(source: Path, target: Path, llama: Path, threads: int) -> Path:
    """Have llama.cpp write `source` as Q4_K_M, unless `target` is there (minutes for three billion weights)."""
    if not target.exists():
        python, words = llama / "bin" / "python", [str(source), str(target), str(threads)]
        with (CACHE / "quantise.log").open("w") as log:
            subprocess.run([str(python), str(PEERS / "llama_quantise.py"), *words], check=True, stderr=log)
    return target


def install_llama_cpp(folder: Path) -> None:
    """Build llama-cpp-python from its source package with clang 16, unless it is there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if subprocess.run([str(python), "-c", "import llama_cpp"], capture_output=True, check=False).returncode == 0:
        return
    environment = os.environ | {"CC": "clang-16", "CXX": "clang++-16", "CMAKE_ARGS": LLAMA_FLAGS}
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-binary", "llama-cpp-python", "llama-cpp-python"], check=True, env=environment)


def measured_limits(threads: int) -> dict[str, float]:
    """Operations a second by kind of instruction, from `limits.c`; none where it cannot be compiled here."""
    program = CACHE / "limits"
    compiler = ["clang-16", "-O2", "-march=native", "-pthread", str(PEERS / "limits.c"), "-o", str(program)]
    try:
        subprocess.run(compiler, check=True, capture_output=True)
        said = subprocess.run([str(program), str(threads)], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"limits.c: {error}", file=sys.stderr)
        return {}
    return {name: float(rate) for name, rate in (line.split() for line in said.splitlines())}
