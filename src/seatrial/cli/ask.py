"""`seatrial ask`: one question to one model, about pictures where some are given, the answer streamed to standard
output."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer


class Detail(enum.StrEnum):
    """How closely a picture is looked at."""

    auto = "auto"
    low = "low"
    high = "high"


def ask(
    model: Annotated[str, typer.Argument(metavar="ID", help="Any candidate but a baseline, as in `seatrial compare`.")],
    prompt: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="A picture to ask about. Several: the option several times."),
    ] = None,
    video: Annotated[Path | None, typer.Option("--video", metavar="FILE", help="A video to ask about.")] = None,
    detail: Annotated[
        Detail, typer.Option("--detail", help="`low` looks at each picture once and small: fewer tokens.")
    ] = Detail.auto,
    system: Annotated[str | None, typer.Option("--system", help="A system message.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")] = 512,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, max=2.0, help="0 is greedy.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Makes sampling repeatable.")] = None,
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="Switch a reasoning model's thinking on or off.")
    ] = None,
) -> None:
    """Ask a model one question, about pictures or a video too."""
    import asyncio

    from seatrial.chat import ChatRequest, Sampling, message
    from seatrial.cli.attachments import message_of, naming, picture_at, tell_cost, video_at
    from seatrial.cli.conversation import open_partner, stream_reply

    shown = [picture_at(path, detail.value) for path in image or ()] + ([video_at(video)] if video else [])
    text = sys.stdin.read() if prompt == "-" else prompt
    messages = (*((message("system", system),) if system else ()), message_of(shown, text))
    request = ChatRequest(
        messages, max_tokens=max_tokens, sampling=Sampling(temperature=temperature, seed=seed), thinking=think
    )

    async def run() -> None:
        async with open_partner(model) as partner:
            tell_cost(partner, shown)
            with naming(shown, len(messages) - 1):
                await stream_reply(partner, request)

    asyncio.run(run())
