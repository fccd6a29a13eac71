"""`seatrial ask`: one question to one model, about pictures where some are given, the answer streamed to standard
output."""

from __future__ import annotations

import enum
import sys
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
        list[str] | None,
        typer.Option(
            "--image",
            metavar="FILE",
            help="A picture to ask about; `-` reads it from standard input. Several: the option several times.",
        ),
    ] = None,
    video: Annotated[str | None, typer.Option("--video", metavar="FILE", help="A video to ask about.")] = None,
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
    from seatrial.cli.attachments import (
        STANDARD_INPUT,
        check_sight,
        message_of,
        naming,
        picture_at,
        tell_cost,
        video_at,
    )
    from seatrial.cli.conversation import open_partner, stream_reply
    from seatrial.errors import UsageError

    if [prompt, *(image or ())].count(STANDARD_INPUT) > 1:
        raise UsageError("Standard input is read once: give `-` for the question or for one picture.")
    shown = [picture_at(typed, detail.value, stdin=sys.stdin.buffer) for typed in image or ()]
    if video is not None:
        shown.append(video_at(video))
    text = sys.stdin.read() if prompt == STANDARD_INPUT else prompt
    messages = (*((message("system", system),) if system else ()), message_of(shown, text))
    request = ChatRequest(
        messages, max_tokens=max_tokens, sampling=Sampling(temperature=temperature, seed=seed), thinking=think
    )

    async def run() -> None:
        async with open_partner(model, check=lambda candidate: check_sight(candidate, shown)) as partner:
            tell_cost(partner, shown)
            with naming(shown, len(messages) - 1):
                await stream_reply(partner, request)

    asyncio.run(run())
