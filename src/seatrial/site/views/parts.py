"""What the views work with, put together once by whoever starts the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from seatrial.site.cache import PageCache
from seatrial.site.db.opening import Database
from seatrial.site.digest.subscriptions import Subscriptions
from seatrial.site.library import Library
from seatrial.site.rendering import Renderer
from seatrial.site.security.cookies import VoterCookie
from seatrial.site.security.limits import Buckets
from seatrial.site.security.networks import Networks
from seatrial.site.security.tokens import Tokens
from seatrial.site.views.answers import Answers
from seatrial.site.views.forms import Forms
from seatrial.site.votes.booth import Booth


class AsksVoters(Protocol):
    """Writes to an address to have it confirmed: `mail/post.py`."""

    def ask_voter(self, typed: str, token: str) -> None:
        """Mail the token. Raises UsageError where `typed` is no address, `mail.Unavailable`, StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class Throttles:
    """By network: pages that were never rendered before, and forms that send mail."""

    pages: Buckets
    mails: Buckets


@dataclass(frozen=True, slots=True)
class SiteParts:
    """Everything that a site is made of. `clock` gives aware UTC datetimes; `feed` writes the Atom feed.

    `base_url` is where readers find the site, None where only the request's host is known.
    """

    library: Library
    renderer: Renderer
    booth: Booth
    database: Database
    secret: bytes
    subscriptions: Subscriptions
    post: AsksVoters
    feed: Callable[[], bytes]
    tokens: Tokens
    cookie: VoterCookie
    networks: Networks
    throttles: Throttles
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    base_url: str | None

    @property
    def is_https(self) -> bool:
        """Whether readers come over https."""
        return self.base_url is not None and self.base_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class ViewParts:
    """The same for the views, with what is made from it."""

    site: SiteParts
    cache: PageCache
    answers: Answers
    forms: Forms
