"""`seatrial chat`: a conversation with one model in the terminal, about pictures and videos too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.ask import Detail

if TYPE_CHECKING:
    import asyncio

    from seatrial.chat import ChatRequest, Message
    from seatrial.cli.attachments import Attachment
    from seatrial.cli.conversation import Partner
    from seatrial.errors import SeatrialError

_HELP = (
    "/image FILE and /video FILE show it something with your next message, /drop takes that back, "
    "/reset forgets the conversation, /quit or Ctrl-D ends it, Ctrl-C stops an answer."
)


def chat(
    model: Annotated[str, typer.Argument(metavar="ID", help="Any candidate but a baseline, as in `seatrial compare`.")],
    system: Annotated[str | None, typer.Option("--system", help="A system message.")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")] = 1024,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, max=2.0, help="0 is greedy.")] = None,
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="Switch a reasoning model's thinking on or off.")
    ] = None,
    detail: Annotated[
        Detail, typer.Option("--detail", help="`low` looks at each picture once and small: fewer tokens.")
    ] = Detail.auto,
) -> None:
    """Chat with a model. `/image FILE` shows it a picture."""
    import asyncio
    import io

    from seatrial.chat import ChatRequest, Sampling, message
    from seatrial.cli.conversation import open_partner
    from seatrial.cli.question import checked_text
    from seatrial.errors import UsageError

    if sys.stdin is None:
        raise UsageError("Standard input is closed, so there is nowhere to type. One question: `seatrial ask`.")
    if isinstance(sys.stdin, io.TextIOWrapper):  # a line that is not UTF-8 is refused, and the chat goes on
        sys.stdin.reconfigure(errors="surrogateescape")
    opening = (message("system", checked_text(system, "`--system`")),) if system else ()

    def ask_with(messages: tuple[Message, ...]) -> ChatRequest:
        return ChatRequest(messages, max_tokens=max_tokens, sampling=Sampling(temperature=temperature), thinking=think)

    with asyncio.Runner() as runner:
        opened = open_partner(model)
        partner = runner.run(opened.__aenter__())
        try:
            print(f"{model} is ready. {_HELP}", file=sys.stderr)
            talk = _Talk(runner, partner, opening, ask_with, detail)
            while (line := _read_line()) is not None and line not in ("/quit", "/exit"):
                if line.startswith("/"):
                    talk.obey(line)
                elif line:
                    talk.ask(line)
        finally:
            runner.run(opened.__aexit__(None, None, None))


@dataclass
class _Talk:
    """A conversation. `shown` waits for the next message, and goes on waiting where that one fails or is stopped.

    What turns out to be damaged, or cannot be looked at for another reason, does not.
    """

    runner: asyncio.Runner
    partner: Partner
    opening: tuple[Message, ...]
    ask_with: Callable[[tuple[Message, ...]], ChatRequest]
    detail: Detail
    turns: tuple[Message, ...] = ()
    shown: list[Attachment] = field(default_factory=list)

    def obey(self, line: str) -> None:
        """A command."""
        command, _, rest = line.partition(" ")
        if command in ("/image", "/video") and rest.strip():
            self._show(command, rest)
        elif command == "/drop":
            self.shown = []
        elif command == "/reset":
            self.turns, self.shown = (), []
        else:
            print(_HELP, file=sys.stderr)

    def ask(self, line: str) -> None:
        """A question. Its turn is forgotten where it gets no whole answer."""
        from seatrial.chat import message

        request = self._request(line)
        answer = self._answer(request)
        if answer is not None:
            turns = request.messages[len(self.opening) :]
            self.turns, self.shown = (*turns, message("assistant", answer)), []
        elif self.shown:
            names = ", ".join(each.path.name for each in self.shown)
            print(f"({names} goes with your next message; /drop takes it back.)", file=sys.stderr)

    def _request(self, line: str) -> ChatRequest:
        from seatrial.cli.attachments import message_of

        return self.ask_with((*self.opening, *self.turns, message_of(self.shown, line)))

    def _answer(self, request: ChatRequest) -> str | None:
        """The reply's text, or None where it failed or was stopped."""
        from seatrial.cli.attachments import naming
        from seatrial.cli.conversation import stream_reply
        from seatrial.cli.question import checked_text
        from seatrial.errors import SeatrialError

        try:
            checked_text(request.messages[-1].text, "The message")
            with naming(self.shown, len(request.messages) - 1):
                return self.runner.run(stream_reply(self.partner, request))
        except KeyboardInterrupt:
            print("\n(stopped)", file=sys.stderr)
        except SeatrialError as error:
            print(f"Error: {error}", file=sys.stderr)
            self._leave_out(error)
        return None

    def _leave_out(self, error: SeatrialError) -> None:
        """Show no more what the error is about, where it is about something shown."""
        from seatrial.errors import InputError

        wrong = [each for each in self.shown if isinstance(error, InputError) and error.path == each.path]
        if wrong:
            self.shown = [each for each in self.shown if each not in wrong]
            print(f"({wrong[0].path.name} is left out.)", file=sys.stderr)

    def _show(self, command: str, typed: str) -> None:
        from seatrial.cli.attachments import check_sight, picture_at, tell_cost, video_at
        from seatrial.errors import SeatrialError

        before = self.shown
        try:
            name = _name_of(typed)
            is_picture = command == "/image"
            attachment = picture_at(name, self.detail.value) if is_picture else video_at(name, for_pictures="/image")
            check_sight(self.partner.candidate, [attachment])
            self.shown = [*before, attachment]
            tell_cost(self.partner, [attachment], self._request(""))
        except KeyboardInterrupt:  # while a pipe kept it waiting
            self.shown = before
            print("\n(stopped)", file=sys.stderr)
        except SeatrialError as error:
            self.shown = before
            print(f"Error: {error}", file=sys.stderr)


def _name_of(typed: str) -> str:
    """A path as people type it, or drop it on a terminal: in quotes, or with spaces behind backslashes."""
    import os
    import shlex

    typed = typed.strip()
    try:
        words = shlex.split(typed)
    except ValueError:
        words = []
    plain = os.path.exists(os.path.expanduser(typed)) or len(words) != 1
    return typed if plain else words[0]


def _read_line() -> str | None:
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
        return None
