"""The server as `seatrial serve` puts it together, over a model that answers by a script and costs next to nothing.

    python benchmarks/scripted_server.py --pieces 4 --pause-s 0.02

prints its URL and serves the model `scripted` until it is ended. Every answer has the same pieces, so that whoever
measures can check it; tools are called where the request says that they must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import numpy as np

from seatrial.chat import ChatEvent, ChatRequest, Finished, TextDelta, ToolCallDelta, Usage
from seatrial.cli.wiring_server import ServeOrder, server_of
from seatrial.providers.base import Embeddings
from seatrial.server.hosting import Opener
from seatrial.server.serving import resolve

MODEL = "scripted"
_AT_ONCE = 4096


class ScriptedModel:
    """Answers with `num_pieces` words, the first at once and each of the others `pause_s` after the one before."""

    context_length = 100_000

    def __init__(self, num_pieces: int, pause_s: float) -> None:
        self._pieces = words(num_pieces)
        self._pause_s = pause_s

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """The words, or a call of the first tool where one is required."""
        usage = Usage(prompt_tokens=self.count_tokens(request), completion_tokens=len(self._pieces))
        if request.tools and (request.named_tool or request.tool_choice == "required"):
            name = request.named_tool or request.tools[0].name
            yield ToolCallDelta(0, "call_1", name, "")
            yield ToolCallDelta(0, arguments='{"city": "Riga"}')
            yield Finished("tool_calls", usage)
            return
        for number, piece in enumerate(self._pieces):
            if number and self._pause_s:
                await asyncio.sleep(self._pause_s)
            yield TextDelta(piece)
        yield Finished("stop", usage)

    def count_tokens(self, request: ChatRequest) -> int:
        """Its characters."""
        prompt = request.prompt
        return sum(len(message.text) for message in request.messages) if prompt is None else len(prompt)

    async def embed(self, texts: Sequence[str | Sequence[int]]) -> Embeddings:
        """The same vector for every text."""
        return Embeddings(np.full((len(texts), 4), 0.5, np.float32), sum(len(text) for text in texts))

    async def close(self) -> None:
        """Nothing is held."""


def words(num_pieces: int) -> list[str]:
    """What is said: ` 0`, ` 1`, …"""
    return [f" {number}" for number in range(num_pieces)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pieces", type=int, default=4)
    parser.add_argument("--pause-s", type=float, default=0.0)
    parser.add_argument("--log", action="store_true", help="log requests, as `seatrial serve` does")
    parser.add_argument("--alias", action="append", default=[], help="another name of the model")
    args = parser.parse_args()
    order = ServeOrder(
        models=(MODEL,),
        address=resolve("127.0.0.1", args.port),
        aliases=dict.fromkeys(args.alias, MODEL),
        asks_for_keys=False,
    )
    opener = Opener(MODEL, "seatrial", 1_790_000_000, lambda: ScriptedModel(args.pieces, args.pause_s))
    server = server_of([opener], order, at_once=_AT_ONCE)
    server.run(lambda: print(json.dumps({"url": order.address.url}), flush=True))


if __name__ == "__main__":
    main()
