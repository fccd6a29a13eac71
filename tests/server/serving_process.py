"""A whole server over a scripted model, as a process of its own: `serving_process.py HOST PORT DRAIN_S [slow_load]`.

The model `m` says `word ` without end, 50 a second; with `max_tokens` it says so many words and stops.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scripted import USAGE, Scripted, Step, counted_ids

from seatrial.chat import ChatRequest, Finished, TextDelta
from seatrial.errors import NotRunnable
from seatrial.providers.base import Provider
from seatrial.server.app import Application
from seatrial.server.endpoints.chat import chat_routes
from seatrial.server.endpoints.operation import operation_routes
from seatrial.server.hosting import Hosting, Opener
from seatrial.server.metrics import Metrics
from seatrial.server.readiness import Readiness
from seatrial.server.serving import Lifetime, resolve, run


def words(request: ChatRequest) -> Iterator[Step]:
    for _ in range(request.max_tokens or 1_000_000):
        yield 0.02
        yield TextDelta("word " if request.stop != ("long",) else "word " * 20_000)
    yield Finished("length", USAGE)


def main(host: str, port: str, drain_s: str, *how: str) -> None:
    def open_model() -> Provider:
        if "slow_load" in how:
            time.sleep(1)
        if "no_load" in how:
            raise NotRunnable("There are no weights.", "Pull them.")
        return Scripted(script=words)  # type: ignore[arg-type]

    hosting = Hosting([Opener("m", "test", 0, open_model)], clock=time.monotonic)
    metrics, readiness = Metrics(hosting.states), Readiness()
    app = Application(
        [*chat_routes(hosting, clock=time.time, new_id=counted_ids()), *operation_routes(metrics, readiness)],
        metrics=metrics,
        readiness=readiness,
    )
    address = resolve(host, int(port))
    print(address.port, flush=True)

    async def close() -> None:
        await hosting.close()
        print("closed", flush=True)

    lifetime = Lifetime(
        load=hosting.load_all, on_ready=lambda: print("ready", flush=True), close=close, drain_s=float(drain_s)
    )
    run(app, address, lifetime)


if __name__ == "__main__":
    main(*sys.argv[1:])
