"""`seatrial ask`: one question to one model, the answer streamed to standard output."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def ask(
    model: Annotated[str, typer.Argument(metavar="ID", help="Any candidate but a baseline, as in `seatrial compare`.")],
    prompt: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    system: Annotated[str | None, typer.Option("--system", help="A system message.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")] = 512,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, max=2.0, help="0 is greedy.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes sampling repeatable.")] = None,
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="Switch a reasoning model's thinking on or off.")
    ] = None,
) -> None:
    """Ask a model one question."""
    import asyncio

    from seatrial.chat import ChatRequest, Sampling, message
    from seatrial.cli.conversation import open_partner, stream_reply

    text = sys.stdin.read() if prompt == "-" else prompt
    messages = (*((message("system", system),) if system else ()), message("user", text))
    request = ChatRequest(
        messages, max_tokens=max_tokens, sampling=Sampling(temperature=temperature, seed=seed), thinking=think
    )

    async def run() -> None:
        async with open_partner(model) as partner:
            await stream_reply(partner, request)

    asyncio.run(run())
