"""What is not answered as asked, as exceptions that views raise; `answers.py` makes pages of them."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.site.pages.frame import Page


@dataclass(eq=False)
class Refusal(Exception):
    """The reader gets a page with this title and text. `retry_after_s` says when asking again may help."""

    status: int
    title: str
    text: str
    retry_after_s: float | None = None


@dataclass(eq=False)
class Interposed(Exception):
    """Another page has to come first: one that asks again, or one that does some work. `cookie` goes with it."""

    page: Page
    cookie: str | None = None
    status: int = 200


def not_found(what: str = "There is no such page here.") -> Refusal:
    """404."""
    return Refusal(404, "Not found", what)
