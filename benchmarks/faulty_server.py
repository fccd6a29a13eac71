"""The server with a real model, whose engine can be told to fail: for `server_soak.py` alone.

    python benchmarks/faulty_server.py smollm2-135m --max-waiting 32

prints its URL as a line of JSON, and then obeys words on standard input: `fail` makes the engine's next pass raise, and
`census` prints what there is in the process: tasks, threads, open files.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from seatrial.chat import ChatEvent, ChatRequest
from seatrial.cli.settings import read_settings
from seatrial.cli.wiring import ProviderPool, open_catalog
from seatrial.cli.wiring_server import ServeOrder, Server, server_of
from seatrial.providers.base import Embeddings
from seatrial.server.hosting import Opener
from seatrial.server.serving import resolve
from seatrial.trial.candidates import parse_candidates

BATCH = 16
OUR_FAULT = "a fault that was asked for"


class FaultyRunner:
    """The engine's runner, but for one pass after `fail`."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._fails = threading.Event()

    def fail(self) -> None:
        """Have the next pass fail."""
        self._fails.set()

    def forward(self, batch: Any) -> Any:
        """As the runner does, or raises RuntimeError."""
        if self._fails.is_set():
            self._fails.clear()
            raise RuntimeError(OUR_FAULT)
        return self._runner.forward(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


class FaultyProvider:
    """A local provider whose engine has a `FaultyRunner`."""

    def __init__(self, provider: Any) -> None:
        engine = provider.model.engine
        self.runner = engine._runner = FaultyRunner(engine._runner)
        self._provider = provider
        self.loop: asyncio.AbstractEventLoop | None = None

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """See `Provider`."""
        self.loop = asyncio.get_running_loop()
        return self._provider.stream(request)

    def count_tokens(self, request: ChatRequest) -> int:
        """See `CountsTokens`."""
        return self._provider.count_tokens(request)

    @property
    def context_length(self) -> int:
        """See `CountsTokens`."""
        return self._provider.context_length

    @property
    def metrics(self) -> Any:
        """The engine's."""
        return self._provider.metrics

    async def embed(self, texts: Sequence[str | Sequence[int]]) -> Embeddings:
        """See `Embeds`."""
        return await self._provider.embed(texts)

    async def close(self) -> None:
        """See `Provider`."""
        await self._provider.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--max-waiting", type=int, default=128)
    args = parser.parse_args()
    settings = read_settings()
    catalog = open_catalog(settings)
    (candidate,) = parse_candidates([args.model], catalog)
    opened: list[FaultyProvider] = []

    def open_faulty() -> FaultyProvider:
        pool = ProviderPool(settings, catalog, command="server_soak.py", concurrency=BATCH, seed=1, asks_again=False)
        opened.append(FaultyProvider(pool(candidate)))
        return opened[0]

    order = ServeOrder(
        models=(args.model,),
        address=resolve("127.0.0.1", 0),
        aliases={},
        asks_for_keys=False,
        batch=BATCH,
        max_waiting=args.max_waiting,
    )
    opener = Opener(args.model, "seatrial", int(time.time()), open_faulty)
    server = server_of([opener], order, at_once=BATCH)
    server.run(lambda: _ready(server, opened[0]))


def _ready(server: Server, provider: FaultyProvider) -> None:
    print(json.dumps({"url": server.order.address.url}), flush=True)
    threading.Thread(target=_obey, args=(provider,), daemon=True).start()


def _obey(provider: FaultyProvider) -> None:
    for line in sys.stdin:
        if line.strip() == "fail":
            provider.runner.fail()
        elif line.strip() == "census" and provider.loop is not None:
            provider.loop.call_soon_threadsafe(_take_census, provider.loop)


def _take_census(loop: asyncio.AbstractEventLoop) -> None:
    census = {
        "tasks": len(asyncio.all_tasks(loop)),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
    }
    print(json.dumps(census), flush=True)


if __name__ == "__main__":
    main()
