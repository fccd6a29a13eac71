"""The servers that are measured, each a process on cores of its own: how it is installed, started and read.

Peers run as their makers say they are fastest here: llama.cpp built with clang 16 for this machine, LiteLLM's proxy
with one worker, no logging and its own mock of a model. Each lies in an environment of its own under `.cache/peers/`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "peers"
LITELLM, LLAMA = CACHE / "litellm", CACHE / "llama-server"
_LLAMA_CPP_PYTHON = "0.3.36"  # its source package holds llama.cpp's server
_LLAMA_FLAGS = (
    *("-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_OPENMP=OFF", "-DBUILD_SHARED_LIBS=OFF"),
    *("-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_APP=OFF"),
    "-DLLAMA_USE_PREBUILT_UI=OFF",
)


class Server:
    """A server that is ready. `ready_s` is from its start to its first answer; CPU and memory include its children."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        *,
        cores: Sequence[int],
        ready_path: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = NamedTemporaryFile("w+b", suffix=".log")  # noqa: SIM115 - open as long as the server
        start = time.monotonic()
        self._process = subprocess.Popen(
            list(command),
            stdout=self._log,
            stderr=self._log,
            env=os.environ | dict(environment or {}),
            start_new_session=True,  # LiteLLM ends its whole process group
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        while not _answers(self.url + ready_path):
            if self._process.poll() is not None or time.monotonic() - start > 120:
                raise RuntimeError(f"{command[0]} is not ready:\n{self.said()}")
            time.sleep(0.005)
        self.ready_s = time.monotonic() - start

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def cpu_s(self) -> float:
        """Processor time of every thread so far, seconds."""
        files = [file for pid in self._pids() for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9

    def resident_mb(self) -> float:
        """Memory in RAM now, MB."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids())
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def peak_mb(self) -> float:
        """The most memory in RAM so far, MB."""
        lines = [line for pid in self._pids() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6

    def said(self) -> str:
        """The end of what it wrote."""
        return Path(self._log.name).read_text(errors="replace")[-3000:]

    def _pids(self) -> list[int]:
        pids = [self._process.pid]
        for pid in pids:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += map(int, children.read_text().split())
        return pids


def scripted(*, cores: Sequence[int], pieces: int, pause_s: float = 0.0) -> Server:
    """Seatrial over a scripted model."""
    port = _free_port()
    script = [str(ROOT / "benchmarks" / "scripted_server.py"), "--port", str(port)]
    words = ["--pieces", str(pieces), "--pause-s", str(pause_s)]
    return Server([sys.executable, *script, *words], port, cores=cores, ready_path="/readyz")


def seatrial(*words: str, cores: Sequence[int]) -> Server:
    """`seatrial serve WORD…`."""
    port = _free_port()
    program = str(Path(sys.executable).with_name("seatrial"))
    return Server([program, "serve", *words, "--port", str(port)], port, cores=cores, ready_path="/readyz")


def bare(*, cores: Sequence[int], pieces: int = 0, pause_s: float = 0.0) -> Server:
    """A socket that answers the same without reading much: what client and kernel cost by themselves."""
    port = _free_port()
    script, words = str(ROOT / "benchmarks" / "openai_mock.py"), ["--delay-s", str(pause_s), "--pieces", str(pieces)]
    command = [sys.executable, script, *words, "--port", str(port)]
    return Server(command, port, cores=cores, ready_path="/stats")


def litellm(reply: str, *, cores: Sequence[int]) -> Server:
    """LiteLLM's proxy over its own mock of a model, which says `reply`."""
    port = _free_port()
    model = {"model": "openai/scripted", "api_key": "none", "mock_response": reply}
    settings = {"model_list": [{"model_name": "scripted", "litellm_params": model}]}
    config = LITELLM / "config.yaml"
    config.write_text(json.dumps(settings))
    command = [str(LITELLM / "bin" / "litellm"), "--config", str(config), "--port", str(port), "--num_workers", "1"]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    environment["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
    return Server(
        [*command, "--telemetry", "False"], port, cores=cores, ready_path="/health/readiness", environment=environment
    )


def llama_server(model: Path, *, slots: int, context: int, cores: Sequence[int]) -> Server:
    """llama.cpp's server on a GGUF file; `context` tokens for each of the slots."""
    port = _free_port()
    words = ["--model", str(model), "--parallel", str(slots), "--ctx-size", str(slots * context)]
    words += ["--threads", str(len(cores)), "--host", "127.0.0.1", "--port", str(port)]
    return Server([str(LLAMA / "build/bin/llama-server"), *words], port, cores=cores, ready_path="/health")


def install_litellm() -> None:
    """Make its environment, unless it is there."""
    if not (LITELLM / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(LITELLM)], check=True)
        subprocess.run([str(LITELLM / "bin" / "pip"), "install", "--quiet", "litellm[proxy]"], check=True)


def install_llama_server() -> None:
    """Build llama.cpp's server from the source package that holds it, unless it is there. Takes clang 16 and cmake."""
    if (LLAMA / "build/bin/llama-server").exists():
        return
    LLAMA.mkdir(parents=True, exist_ok=True)
    wanted = f"llama-cpp-python=={_LLAMA_CPP_PYTHON}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
    subprocess.run([*pip, "--dest", str(LLAMA), wanted], check=True)
    (LLAMA / "source").mkdir(exist_ok=True)
    archive = LLAMA / f"llama_cpp_python-{_LLAMA_CPP_PYTHON}.tar.gz"
    inside = f"llama_cpp_python-{_LLAMA_CPP_PYTHON}/vendor/llama.cpp"
    unpack = ["tar", "xzf", str(archive), "-C", str(LLAMA / "source"), "--strip-components=3", inside]
    subprocess.run(unpack, check=True)
    environment = os.environ | {"CC": "clang-16", "CXX": "clang++-16"}
    cmake = ["cmake", "-B", str(LLAMA / "build"), "-S", str(LLAMA / "source"), *_LLAMA_FLAGS]
    subprocess.run(cmake, check=True, env=environment)
    subprocess.run(["cmake", "--build", str(LLAMA / "build"), "--target", "llama-server", "-j"], check=True)


def versions() -> dict[str, str]:
    """Of the peers that are installed."""
    found = {}
    if (LITELLM / "bin" / "python").exists():
        code = "from importlib import metadata; print(metadata.version('litellm'))"
        said = subprocess.run([str(LITELLM / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True)
        found["LiteLLM"] = said.stdout.strip()
    if (LLAMA / "build/bin/llama-server").exists():
        found["llama.cpp"] = f"of llama-cpp-python {_LLAMA_CPP_PYTHON}, clang 16"
    return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
