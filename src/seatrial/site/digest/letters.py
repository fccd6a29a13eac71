"""An issue as a letter to one subscriber: the same text in each, and a way out that is the reader's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from seatrial.site.digest.subscriptions import Tokens, unsubscribe_token
from seatrial.site.digest.writing import Issue
from seatrial.site.mail.message import Letter, Message, Sender, message_id, write_message
from seatrial.site.mail.rendering import render


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes as `sender`, with links to the site at `base_url` (without a slash at its end)."""

    sender: Sender
    base_url: str
    tokens: Tokens

    def write(self, issue: Issue, subscriber: int, email: str, *, at: datetime) -> Message:
        """The message to a subscriber, by id and address; `at` is the date it bears, UTC."""
        unsubscribe_url = f"{self.base_url}/digest/unsubscribe/{unsubscribe_token(self.tokens, subscriber)}"
        context = {
            "subject": issue.subject,
            "base_url": self.base_url,
            "issue_url": f"{self.base_url}/digest/{issue.week}",
            "unsubscribe_url": unsubscribe_url,
        }
        letter = Letter(
            id=_id(issue, subscriber),
            to=email,
            subject=issue.subject,
            text=render("digest.txt", text=issue.text, **context),
            html=render("digest.html", fragment=Markup(issue.html), **context),
            unsubscribe_url=unsubscribe_url,
        )
        return write_message(letter, self.sender, at=at)

    def message_id(self, issue: Issue, subscriber: int) -> str:
        """The Message-ID of that message, the same whenever it is written."""
        return message_id(_id(issue, subscriber), self.sender)


def _id(issue: Issue, subscriber: int) -> str:
    return f"digest-{issue.week}-{subscriber}"
