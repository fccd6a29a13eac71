"""What can be voted on, and between what.

    model:smollm3-3b                      ship, skip
    pair:gpt-5-mini:smollm3-3b            the one or the other, in alphabetical order
    blind:RUN:WORKLOAD:ITEM:A:B           A, B or tie; A and B are candidates of the run, in alphabetical order

Each part is percent-encoded, so that no candidate's or item's name can be mistaken for another subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from seatrial.errors import UsageError

SHIP, SKIP, TIE = "ship", "skip", "tie"
WITHDRAWN = ""
"""The choice that takes a vote back."""


@dataclass(frozen=True, slots=True)
class Subject:
    """`key` is what the database knows it by, `choices` what can be said of it."""

    key: str
    choices: tuple[str, ...]


def model_subject(candidate: str) -> Subject:
    """Would you ship it?"""
    return Subject(_key("model", candidate), (SHIP, SKIP))


def pair_subject(first: str, second: str) -> Subject:
    """Which of the two would you ship?"""
    one, other = sorted((first, second))
    return Subject(_key("pair", one, other), (one, other))


def blind_subject(run_id: str, workload: str, item: str, first: str, second: str) -> Subject:
    """Which answer to this item is better?"""
    one, other = sorted((first, second))
    return Subject(_key("blind", run_id, workload, item, one, other), (one, other, TIE))


def subject_of(key: str) -> Subject:
    """The subject that `key` stands for. Raises `UsageError` where it stands for none.

    Whether there is such a candidate is for the caller to say.
    """
    subject: Subject | None = None
    match parts_of(key):
        case ("model", candidate):
            subject = model_subject(candidate)
        case ("pair", first, second):
            subject = pair_subject(first, second)
        case ("blind", run_id, workload, item, first, second):
            subject = blind_subject(run_id, workload, item, first, second)
    if subject is None or subject.key != key or len(set(subject.choices)) < len(subject.choices):
        raise UsageError(f"`{key[:80]!r}` is nothing that can be voted on. Vote with the buttons of a page.")
    return subject


def parts_of(key: str) -> tuple[str, ...]:
    """The kind (`model`, `pair`, `blind`), then the names as they were before encoding."""
    return tuple(unquote(part) for part in key.split(":"))


def _key(*parts: str) -> str:
    return ":".join(quote(part, safe="") for part in parts)
