"""Where the site's mail is put together: settings go in, what carries and writes it comes out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.cli.settings import Settings
    from seatrial.site.db.opening import Database
    from seatrial.site.digest.letters import Letters
    from seatrial.site.digest.subscriptions import Subscriptions, Tokens
    from seatrial.site.mail.carriers import Carrier
    from seatrial.site.mail.message import Sender
    from seatrial.site.mail.post import Post

LOCAL_URL = "http://localhost:8000"
"""Where links in mail lead while nobody has said where the site is; such mail goes to a folder only."""

_NOBODY = "Seatrial <digest@seatrial.invalid>"


def outbox_folder(settings: Settings) -> Path:
    """Where mail goes while no server is set."""
    return settings.home / "site" / "outbox"


def goes_to_folder(settings: Settings, outbox: Path | None = None) -> bool:
    """Whether mail stays on this machine."""
    return outbox is not None or settings.smtp_url is None


def open_carrier(settings: Settings, outbox: Path | None = None) -> Carrier:
    """The folder `outbox`, else the server that is set, else the default folder. Raises UsageError."""
    from seatrial.site.mail.outbox import OutboxFolder
    from seatrial.site.mail.smtp import SmtpServer

    if outbox is None and settings.smtp_url is not None:
        return SmtpServer(settings.smtp_url)
    return OutboxFolder(outbox or outbox_folder(settings))


def mail_base_url(settings: Settings, outbox: Path | None = None) -> str:
    """Where links in mail lead. Raises UsageError where mail would go out without anybody having said."""
    if settings.site_url is not None:
        return settings.site_url.rstrip("/")
    if goes_to_folder(settings, outbox):
        return LOCAL_URL
    raise UsageError("Links in mail need the site's address. Set SEATRIAL_SITE_URL=https://… .")


def mail_sender(settings: Settings, outbox: Path | None = None) -> Sender:
    """Whom mail is from. Raises UsageError where it would go out without anybody having said."""
    from seatrial.site.mail.message import read_sender

    if settings.mail_from is not None:
        return read_sender(settings.mail_from)
    if goes_to_folder(settings, outbox):
        return read_sender(_NOBODY)
    raise UsageError("Mail needs a sender. Set SEATRIAL_MAIL_FROM='Seatrial <digest@example.org>'.")


def open_post(settings: Settings, clock: Callable[[], datetime]) -> Post:
    """What the running site writes with. A page never waits for a mail server: the mail waits in a folder instead.

    To be closed at the end. Raises UsageError.
    """
    from seatrial.site.mail.post import Post
    from seatrial.site.mail.spool import Spool

    carrier = open_carrier(settings)
    if settings.smtp_url is not None:
        carrier = Spool(settings.home / "site" / "spool", carrier, clock=clock)
        carrier.start()
    return Post(carrier, sender=mail_sender(settings), base_url=mail_base_url(settings), clock=clock)


def open_subscriptions(
    database: Database, settings: Settings, tokens: Tokens, clock: Callable[[], datetime]
) -> Subscriptions:
    """Who subscribes, for commands: nothing here writes to an asker. The site's own has `open_post`."""
    from seatrial.site.digest.subscriptions import Subscriptions
    from seatrial.site.mail.outbox import OutboxFolder
    from seatrial.site.mail.post import Post

    sender, base_url = mail_sender(settings, outbox_folder(settings)), mail_base_url(settings, outbox_folder(settings))
    post = Post(OutboxFolder(outbox_folder(settings)), sender=sender, base_url=base_url, clock=clock)
    return Subscriptions(database, clock, tokens, post)


def open_letters(settings: Settings, tokens: Tokens, outbox: Path | None = None) -> Letters:
    """What writes an issue to a subscriber. Raises UsageError."""
    from seatrial.site.digest.letters import Letters

    return Letters(mail_sender(settings, outbox), mail_base_url(settings, outbox), tokens)
