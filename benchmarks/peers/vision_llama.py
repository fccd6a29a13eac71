"""llama.cpp looking at a page, by its server: the same calls as a worker, answered through HTTP on this machine.

Its multimodal path is part of the server (`--mmproj`). The server is the one that `server_peers` builds.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from page import QUESTIONS, page_png, prompt_around
from process import Reply

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from server_peers import LLAMA, Server

_PORT = 8791


class LlamaEyes:
    """One model that sees. `call` is a `Peer`'s."""

    name = "llama.cpp"

    def __init__(self, text_model: Path, eyes: Path, threads: int) -> None:
        self._files, self._threads = (text_model, eyes), threads

    def call(self, method: str, **args: Any) -> Reply:
        """Ask and wait."""
        start = time.perf_counter()
        value = getattr(self, method)(**args)
        return Reply(value, time.perf_counter() - start)

    def load(self, context: int) -> dict[str, object]:
        """Start the server."""
        text_model, eyes = map(str, self._files)
        words = ["--model", text_model, "--mmproj", eyes, "--parallel", "1", "--ctx-size", str(context)]
        words += ["--threads", str(self._threads), "--host", "127.0.0.1", "--port", str(_PORT)]
        cores = sorted(os.sched_getaffinity(0))[: self._threads]
        start = time.perf_counter()
        self._server = Server([str(LLAMA / "build/bin/llama-server"), *words], _PORT, cores=cores, ready_path="/health")
        self._marker = str(self._get("/props")["media_marker"])
        return {"load_s": time.perf_counter() - start, "runner": "llama-server"}

    def look(self, seed: int) -> dict[str, float]:
        """Seconds from a page's bytes to the first token of the first question, and of the second about the same."""
        data, times_s, tokens = page_png(seed), [], 0
        for question in QUESTIONS:
            start = time.perf_counter()
            tokens = self._ask(data, question)["tokens_evaluated"]
            times_s.append(time.perf_counter() - start)
        return {"first_s": times_s[0], "second_s": times_s[1], "tokens": tokens}

    def likeliest(self, seed: int, count: int) -> list[int]:
        """The best `count` tokens after the first question about a page, best first."""
        said = self._ask(page_png(seed), QUESTIONS[0], n_probs=count)
        return [choice["id"] for choice in said["completion_probabilities"][0]["top_logprobs"]]

    def memory(self) -> dict[str, int]:
        """The most that was resident, bytes; pages of the files that are mapped count."""
        return {"peak": int(self._server.peak_mb() * 1e6)}

    def close(self) -> None:
        """End the server."""
        self._server.__exit__()

    def _ask(self, data: bytes, question: str, **more: Any) -> dict[str, Any]:
        text = prompt_around(self._marker, question)
        prompt = {"prompt_string": text, "multimodal_data": [base64.b64encode(data).decode()]}
        asked = {"prompt": prompt, "n_predict": 1, "temperature": 0, "cache_prompt": True, "ignore_eos": True, **more}
        body = json.dumps(asked).encode()
        request = urllib.request.Request(
            self._server.url + "/completion", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=3600) as reply:
                said: dict[str, Any] = json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{self.name} says {error.code}: {error.read()[:500]!r}") from error
        return said

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self._server.url + path, timeout=60) as reply:
            said: dict[str, Any] = json.load(reply)
        return said
