"""The blind comparison: two answers to one item, side by side, without their names until the vote is cast.

In: a published document's items on which candidates differ, who reads, and the site's secret. Out: the pair to show
next; a token that goes through the form; and, once voted, what was hidden. Which pair comes next and which answer
stands on the left follow from a keyed hash of reader and pair: the same reader sees the same, nobody can tell in
advance, and the token says neither.
"""

from __future__ import annotations

import hmac
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from seatrial.errors import UsageError
from seatrial.site.votes.cast import LONGEST_CHOICE, LONGEST_SUBJECT
from seatrial.site.votes.subject import TIE, Subject, blind_subject
from seatrial.verdict.document import AnswerShown, Document, ItemDifference, PictureShown

Side: TypeAlias = Literal["left", "right", "tie"]
_PURPOSE, _GOOD_FOR_S = "blind", 24 * 3600.0


class Tokens(Protocol):
    """Signs values and reads them back (`security/tokens.py`)."""

    def sign(self, purpose: str, value: str) -> str:
        """A token that says `value`."""
        ...

    def read(self, purpose: str, token: str, max_age_s: float) -> str:
        """What a token says. Raises UsageError for one that is not ours, or too old."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one item as `reader` sees them. A page must show nothing else of it before the vote."""

    reader: str
    subject: Subject
    workload: str
    input: str
    left: AnswerShown
    right: AnswerShown
    pictures: tuple[PictureShown, ...] = ()

    @property
    def texts(self) -> tuple[str, str]:
        """What is on the left and on the right."""
        return self.left.text or "", self.right.text or ""


@dataclass(frozen=True, slots=True)
class Reveal:
    """What was hidden. `preferred` is the candidate that got the vote, None for a tie."""

    left: AnswerShown
    right: AnswerShown
    expected: Any
    preferred: str | None


class _Found(NamedTuple):
    subject: Subject
    difference: ItemDifference
    answers: tuple[AnswerShown, AnswerShown]


def next_pair(document: Document, reader: str, done: Container[str], secret: bytes) -> Pair | None:
    """The pair that `reader` sees next, of those whose subject is not in `done`; None where all are.

    `reader` is a voter's id, or anything that stands for one who has none yet.
    """
    left = [found for found in _pairs(document) if found.subject.key not in done]
    if not left:
        return None
    return _seen_by(min(left, key=lambda found: _keyed(secret, "order", reader, found.subject.key)), reader, secret)


def num_pairs(document: Document) -> int:
    """How many pairs a document has to show; 0 where nothing was measured or nothing differs."""
    return sum(1 for _ in _pairs(document))


def token_of(pair: Pair, tokens: Tokens) -> str:
    """What the form carries. It names reader and subject, not the sides."""
    return tokens.sign(_PURPOSE, msgspec.json.encode([pair.reader, pair.subject.key]).decode())


def read_token(token: str, document: Document, secret: bytes, tokens: Tokens) -> Pair:
    """The pair that a form was shown with. Raises UsageError for a token that is not good, or of another document."""
    value = tokens.read(_PURPOSE, token, _GOOD_FOR_S)
    reader, key = msgspec.json.decode(value, type=tuple[str, str])
    for found in _pairs(document):
        if found.subject.key == key:
            return _seen_by(found, reader, secret)
    raise UsageError("The comparison has changed since this pair was shown. Take the next one.")


def choice_of(pair: Pair, side: str) -> str:
    """The choice that a button stands for. Raises UsageError for what is no button."""
    match side:
        case "left":
            return pair.left.candidate
        case "right":
            return pair.right.candidate
        case "tie":
            return TIE
    raise UsageError(f"`{side[:40]!r}` is no side. Choose left, right or tie.", field="side")


def reveal(pair: Pair, choice: str, document: Document) -> Reveal:
    """What the reader learns after the vote."""
    expected = next(found.difference.expected for found in _pairs(document) if found.subject.key == pair.subject.key)
    return Reveal(pair.left, pair.right, expected, None if choice == TIE else choice)


def _pairs(document: Document) -> Iterator[_Found]:
    """Pairs of answers that are there and differ. A name too long for a vote leaves its pairs out."""
    for difference in document.item_differences:
        answers = sorted(
            (each for each in difference.answers if each.text and not each.failure), key=lambda each: each.candidate
        )
        for one, other in combinations(answers, 2):
            if (one.text or "").strip() == (other.text or "").strip():
                continue
            subject = blind_subject(
                document.run.id, difference.workload, difference.item, one.candidate, other.candidate
            )
            is_short = len(subject.key) <= LONGEST_SUBJECT and max(map(len, subject.choices)) <= LONGEST_CHOICE
            if is_short and len(set(subject.choices)) == len(subject.choices):
                yield _Found(subject, difference, (one, other))


def _seen_by(found: _Found, reader: str, secret: bytes) -> Pair:
    one, other = found.answers
    if _keyed(secret, "side", reader, found.subject.key)[0] & 1:
        one, other = other, one
    asked = found.difference
    return Pair(reader, found.subject, asked.workload, asked.input, one, other, tuple(asked.pictures))


def _keyed(secret: bytes, use: str, reader: str, key: str) -> bytes:
    return hmac.digest(secret, msgspec.json.encode(["seatrial.site:blind", use, reader, key]), "sha256")
