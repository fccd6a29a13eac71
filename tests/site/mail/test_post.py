"""What is written to one person: the link is in both forms, and nobody can be bombed through it."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from typing import Any

import pytest

from seatrial.errors import UsageError
from seatrial.site.mail.address import read_address
from seatrial.site.mail.carriers import Deferred, MailError, Refused, Unavailable, Uncertain
from seatrial.site.mail.message import Message, Sender
from seatrial.site.mail.post import Post

TOKEN = "MTI.aSVqGQ.abc-_"


class Kept:
    """A carrier that keeps what it gets, or raises."""

    def __init__(self, error: MailError | None = None) -> None:
        self.error, self.messages = error, list[Message]()

    def send(self, message: Message) -> None:
        if self.error is not None:
            raise self.error
        self.messages.append(message)

    def holds(self, id: str) -> bool | None:
        return None

    def close(self) -> None:
        pass


@pytest.fixture
def new_post(clock: Any) -> Callable[[Kept], Post]:
    sender = Sender("Seatrial", "digest@site.example")
    return lambda carrier: Post(carrier, sender=sender, base_url="https://site.example", clock=clock)


@pytest.mark.parametrize(("method", "path"), [("ask_subscriber", "/digest/confirm/"), ("ask_voter", "/voter/confirm/")])
def test_the_link_stands_in_text_and_html(new_post: Any, method: str, path: str) -> None:
    kept = Kept()
    to: Any = read_address("o'neill&co@example.org")
    getattr(new_post(kept), method)(to if method == "ask_subscriber" else to.text, TOKEN)
    (message,) = kept.messages
    parsed: Any = email.message_from_bytes(message.content, policy=email.policy.SMTP)
    link = f"https://site.example{path}{TOKEN}"
    assert parsed["To"] == "o'neill&co@example.org"
    assert link in parsed.get_body(("plain",)).get_content()
    html = parsed.get_body(("html",)).get_content()
    assert f'href="{link}"' in html
    assert "o&#39;neill&amp;co@example.org" in html
    assert "List-Unsubscribe" not in parsed
    assert "http://" not in html
    assert "src=" not in html


def test_a_thousand_asks_are_three_mails_whatever_the_tag(new_post: Any) -> None:
    kept = Kept()
    post = new_post(kept)
    for i in range(1000):
        post.ask_voter(f"Victim+{i}@example.org", f"{TOKEN}{i}")
    assert len(kept.messages) == 3
    for i in range(1000):
        post.ask_subscriber(read_address(f"victim+{i}@example.org"), f"{TOKEN}{i}")
    assert len(kept.messages) == 6


@pytest.mark.parametrize("error", [Refused("550"), Deferred("450"), Uncertain("gone")])
def test_who_asks_does_not_learn_what_the_address_is_like(new_post: Any, error: MailError) -> None:
    new_post(Kept(error)).ask_voter("someone@example.org", TOKEN)


def test_who_asks_learns_that_no_mail_goes_out(new_post: Any) -> None:
    with pytest.raises(Unavailable):
        new_post(Kept(Unavailable("down"))).ask_voter("someone@example.org", TOKEN)


def test_a_voter_must_give_an_address(new_post: Any) -> None:
    with pytest.raises(UsageError, match="not an e-mail address"):
        new_post(Kept()).ask_voter("someone@example.org\nBcc: all@example.org", TOKEN)
