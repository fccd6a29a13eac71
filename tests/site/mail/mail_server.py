"""A real SMTP server (aiosmtpd) in this process, with every fault that a mail server can have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aiosmtpd.controller import Controller

Ending = Literal["take", "drop", "take and drop"]


@dataclass
class Inbox:
    """What arrived, as (recipient, bytes), and how the server behaves.

    `on_recipient` and `on_content` may give a reply other than 250. `ending`: what becomes of a message that came
    whole; `take and drop` takes it and hangs up without a word. `hangs_up_at` recipient: before the message comes.
    """

    mails: list[tuple[str, bytes]] = field(default_factory=list)
    on_recipient: Callable[[str], str | None] = lambda _: None
    on_content: Callable[[str], str | None] = lambda _: None
    ending: Callable[[str], Ending] = lambda _: "take"
    hangs_up_at: Callable[[str], bool] = lambda _: False
    delay_s: float = 0.0
    most_per_connection: int | None = None
    num_connections: int = 0
    url: str = ""

    @property
    def recipients(self) -> list[str]:
        return [recipient for recipient, _ in self.mails]

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]) -> Any:
        session.host_name, session.num_taken = hostname, 0
        self.num_connections += 1
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.most_per_connection is not None and session.num_taken >= self.most_per_connection:
            return "421 4.7.0 too many messages in this connection"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.hangs_up_at(address):
            await _hang_up(server)
        reply = self.on_recipient(address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.delay_s)
        (recipient,) = envelope.rcpt_tos
        ending, reply = self.ending(recipient), self.on_content(recipient)
        if reply is not None:
            return reply
        if ending != "drop":
            self.mails.append((recipient, envelope.original_content))
            session.num_taken += 1
        if ending != "take":
            await _hang_up(server)
        return "250 taken"


async def _hang_up(server: Any) -> None:
    server.transport.abort()
    await asyncio.sleep(60)  # cancelled when the connection is seen to be gone


@contextlib.contextmanager
def running(inbox: Inbox, port: int | None = None, **options: Any) -> Iterator[Inbox]:
    """The server, up until the end; `inbox.url` is where."""
    port = port or free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port, ready_timeout=20.0, enable_SMTPUTF8=True, **options)
    controller.start()
    inbox.url = f"smtp://127.0.0.1:{port}"
    try:
        yield inbox
    finally:
        controller.stop(no_assert=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
