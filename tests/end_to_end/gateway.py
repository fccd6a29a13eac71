"""A keyed `seatrial serve` in front of a stand-in of another server, so that upstreams can fail in every way.

The stand-in runs in a thread of its own. A test says what it does when it is asked something, by the text of the last
message: `gateway.scripts["boom"] = in_turn(refusal(500), answer("fine"))`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from server_process import ServerProcess, run_seatrial
from stand_in import Asked, Script, StandIn, answer

MODEL = "stand-in"
TIMEOUT_S = 1.5


class Gateway:
    """The server, what stands behind it, and two keys: one without limits, one for two requests a minute."""

    def __init__(self, folder: Path) -> None:
        self.scripts: dict[str, Callable[[Asked], Script]] = {}
        self.num_asked: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.stand_in = StandIn(self._choose)
        asyncio.run_coroutine_threadsafe(self.stand_in.__aenter__(), self._loop).result(10)
        home = folder / "home"
        self.key = run_seatrial("keys", "add", "alice", home=home)
        self.limited_key = run_seatrial("keys", "add", "bob", "--requests-per-minute", "2", home=home)
        self.server = ServerProcess(
            f"{self.stand_in.base_url}#{MODEL}",
            *("--port", "0", "--keys", "--timeout", str(TIMEOUT_S)),
            log=folder / "gateway.log",
            home=home,
        )

    def close(self) -> None:
        self.server.stop()
        asyncio.run_coroutine_threadsafe(self.stand_in.__aexit__(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _choose(self, asked: Asked) -> Script:
        self.num_asked[asked.text] += 1
        if asked.text not in self.scripts:
            return answer(f"You said {asked.text}.")
        return self.scripts[asked.text](asked)
