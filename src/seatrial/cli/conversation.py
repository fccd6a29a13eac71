"""What `ask` and `chat` share: a provider opened for one model, and a reply streamed to the terminal."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from seatrial.chat import ChatRequest, ReasoningDelta, TextDelta
from seatrial.cli.settings import read_settings
from seatrial.cli.wiring import ProviderPool, open_catalog
from seatrial.providers.base import Provider
from seatrial.trial.asking import with_settings
from seatrial.trial.candidates import parse_candidate
from seatrial.trial.record import Candidate


class Partner(NamedTuple):
    """Whom one talks to: a candidate and the provider that answers for it."""

    candidate: Candidate
    provider: Provider


@asynccontextmanager
async def open_partner(name: str, *, check: Callable[[Candidate], None] | None = None) -> AsyncIterator[Partner]:
    """The candidate `name`, ready to answer; closed on the way out. One that `check` raises an error for stays shut."""
    settings = read_settings()
    catalog = open_catalog(settings)
    pool = ProviderPool(settings, catalog, command=f"seatrial ask {name} …")
    try:
        candidate = parse_candidate(name, catalog)
        if check is not None:
            check(candidate)
        yield Partner(candidate, pool(candidate))
    finally:
        await pool.close()


async def stream_reply(partner: Partner, request: ChatRequest) -> str:
    """Print a reply as it comes, its reasoning dimmed on standard error, and return its text.

    What is printed begins with the first character that shows; what is returned is the whole text. What the
    candidate's own settings say (`id@temperature=0.7`) goes before what the request says.
    """
    dim, plain = ("\x1b[2m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    text = ""
    reasoning = has_begun = False
    async for event in partner.provider.stream(with_settings(request, partner.candidate)):
        match event:
            case ReasoningDelta(piece):
                reasoning = True
                print(f"{dim}{piece}{plain}", end="", file=sys.stderr, flush=True)
            case TextDelta(piece):
                if reasoning:
                    reasoning = False
                    print(file=sys.stderr)
                text += piece
                printed = piece if has_begun else piece.lstrip()
                has_begun = has_begun or bool(printed)
                print(printed, end="", flush=True)
    print()
    return text
