"""`seatrial ask`: one question to one model, about pictures where some are given, the answer streamed to standard
output."""

from __future__ import annotations

import enum
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
    video: Annotated[
        list[str] | None,
        typer.Option("--video", metavar="FILE", help="A video to ask about. Several: the option several times."),
    ] = None,
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
    """Ask a model one question, about pictures or videos too."""
    import asyncio

    from seatrial.chat import ChatRequest, Sampling, message
    from seatrial.cli.attachments import check_sight, message_of, naming, picture_at, tell_cost, video_at
    from seatrial.cli.conversation import open_partner, stream_reply
    from seatrial.cli.question import STANDARD_INPUT, checked_text, question_at, standard_input
    from seatrial.errors import UsageError

    uses = [prompt, *(image or ())].count(STANDARD_INPUT)
    if uses > 1:
        raise UsageError("Standard input is read once: give `-` for the question or for one picture.")
    if detail is not Detail.auto and not image:
        option = f"`--detail {detail.value}`"
        raise UsageError(
            f"{option} is for pictures (`--image`), and there is none; a video's frames have no such choice."
        )
    stdin = standard_input() if uses else None
    shown = [picture_at(typed, detail.value, stdin=stdin) for typed in image or ()]
    shown += [video_at(typed) for typed in video or ()]
    opening = (message("system", checked_text(system, "`--system`")),) if system else ()
    messages = (*opening, message_of(shown, question_at(prompt, stdin)))
    request = ChatRequest(
        messages, max_tokens=max_tokens, sampling=Sampling(temperature=temperature, seed=seed), thinking=think
    )

    async def run() -> None:
        async with open_partner(model, check=lambda candidate: check_sight(candidate, shown)) as partner:
            tell_cost(partner, shown)
            with naming(shown, len(messages) - 1):
                await stream_reply(partner, request)

    asyncio.run(run())
