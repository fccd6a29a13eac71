"""What `ask` and `chat` share: a provider opened for one model, and a reply streamed to the terminal."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from seatrial.chat import ChatRequest, ReasoningDelta, TextDelta
from seatrial.cli.settings import read_settings
from seatrial.cli.wiring import ProviderPool, open_catalog
from seatrial.providers.base import Provider
from seatrial.trial.candidates import parse_candidate


@asynccontextmanager
async def open_provider(name: str) -> AsyncIterator[Provider]:
    """The provider for the candidate `name`, closed on the way out."""
    settings = read_settings()
    catalog = open_catalog(settings)
    pool = ProviderPool(settings, catalog, concurrency=1)
    try:
        yield pool(parse_candidate(name, catalog))
    finally:
        await pool.close()


async def stream_reply(provider: Provider, request: ChatRequest) -> str:
    """Print a reply as it comes, its reasoning dimmed on standard error, and return its text."""
    dim, plain = ("\x1b[2m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    text = ""
    reasoning = False
    async for event in provider.stream(request):
        match event:
            case ReasoningDelta(piece):
                reasoning = True
                print(f"{dim}{piece}{plain}", end="", file=sys.stderr, flush=True)
            case TextDelta(piece):
                if reasoning:
                    reasoning = False
                    print(file=sys.stderr)
                text += piece
                print(piece, end="", flush=True)
    print()
    return text
