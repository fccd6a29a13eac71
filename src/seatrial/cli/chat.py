"""`seatrial chat`: a conversation with one model in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio

    from seatrial.chat import ChatRequest, Message
    from seatrial.cli.conversation import Partner

_HELP = "/reset forgets the conversation, /quit or Ctrl-D ends it, Ctrl-C stops an answer."


def chat(
    model: Annotated[str, typer.Argument(metavar="ID", help="Any candidate but a baseline, as in `seatrial compare`.")],
    system: Annotated[str | None, typer.Option("--system", help="A system message.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")] = 1024,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, max=2.0, help="0 is greedy.")] = None,
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="Switch a reasoning model's thinking on or off.")
    ] = None,
) -> None:
    """Chat with a model."""
    import asyncio

    from seatrial.chat import ChatRequest, Sampling, message
    from seatrial.cli.conversation import open_partner

    opening = (message("system", system),) if system else ()

    def ask_with(messages: tuple[Message, ...]) -> ChatRequest:
        return ChatRequest(messages, max_tokens=max_tokens, sampling=Sampling(temperature=temperature), thinking=think)

    with asyncio.Runner() as runner:
        opened = open_partner(model)
        partner = runner.run(opened.__aenter__())
        try:
            print(f"{model} is ready. {_HELP}", file=sys.stderr)
            history = opening
            while (line := _read_line()) is not None:
                if line in ("/quit", "/exit"):
                    break
                if line == "/reset":
                    history = opening
                elif line.startswith("/"):
                    print(_HELP, file=sys.stderr)
                elif line:
                    asked = (*history, message("user", line))
                    answer = _answer(runner, partner, ask_with(asked))
                    history = (*asked, message("assistant", answer)) if answer is not None else history
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _read_line() -> str | None:
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
        return None


def _answer(runner: asyncio.Runner, partner: Partner, request: ChatRequest) -> str | None:
    """The reply's text, or None where it failed or was stopped: the turn is then forgotten."""
    from seatrial.cli.conversation import stream_reply
    from seatrial.errors import SeatrialError

    try:
        return runner.run(stream_reply(partner, request))
    except KeyboardInterrupt:
        print("\n(stopped)", file=sys.stderr)
    except SeatrialError as error:
        print(f"Error: {error}", file=sys.stderr)
    return None
