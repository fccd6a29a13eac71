"""What visitors think of a comparison, and the forms by which they say so.

A document and the `Opinions` come in; a `CommunityView` goes out: ship or skip for each candidate, and which of two for
each pair. Percentages stand only from `MIN_VOTERS` voters on, with their intervals. The view is the same for everybody:
no vote of the reader's own is in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.site.votes.cast import LONGEST_SUBJECT
from seatrial.site.votes.opinion import MIN_VOTERS, Opinion, Opinions, Share
from seatrial.site.votes.subject import SHIP, SKIP, Subject, model_subject, pair_subject
from seatrial.verdict.document import Document
from seatrial.verdict.report.figures import NONE, plural
from seatrial.verdict.report.names import Name
from seatrial.verdict.report.panel import Community

MOST_PAIRS = 6
"""Pairs of candidates with a form of their own on a page."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A share with its interval, percent of the bar's length."""

    low: float
    width: float
    value: float


@dataclass(frozen=True, slots=True)
class ChoiceView:
    """One button of a form. `name` is set where the choice is a candidate; `share` is text, empty below the limit."""

    value: str
    label: str
    name: Name | None
    share: str
    interval: str
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class VoteView:
    """A form: what is asked, of whom, the choices, and what those who voted think."""

    subject: str
    question: str
    names: tuple[Name, ...]
    choices: tuple[ChoiceView, ...]
    note: str


@dataclass(frozen=True, slots=True)
class CommunityView:
    """The section. `num_pairs_left_out` are pairs of candidates for which there is no form."""

    models: list[VoteView]
    pairs: list[VoteView]
    num_pairs_left_out: int


def view_community(document: Document, names: Mapping[str, Name], opinions: Opinions) -> CommunityView:
    """A form for every candidate, and for the first `MOST_PAIRS` pairs, with what was said so far."""
    models = [vote for name in names.values() if (vote := model_vote(name, opinions)) is not None]
    pairs = list(itertools.combinations(names.values(), 2))
    votes = []
    for first, second in pairs[:MOST_PAIRS]:
        if subject := _votable(pair_subject(first.id, second.id)):
            votes.append(_pair_vote(first, second, subject, opinions.of(subject.key)))
    return CommunityView(models, votes, len(pairs) - len(votes))


def model_vote(name: Name, opinions: Opinions) -> VoteView | None:
    """The form that asks whether to ship one model; None where its name is too long to be voted on."""
    subject = _votable(model_subject(name.id))
    return None if subject is None else _model_vote(name, subject, opinions.of(subject.key))


def community_figures(names: Mapping[str, Name], opinions: Opinions) -> dict[str, Community]:
    """What stands on each candidate's card: the share that would ship it, with its interval, or a dash."""
    figures = {}
    for candidate in names:
        opinion = opinions.of(model_subject(candidate).key)
        share = share_of(opinion, SHIP, SKIP)
        figures[candidate] = (
            Community(NONE, note_of(opinion))
            if share is None
            else Community(_percent(share.value), f"{_interval(share)}, {plural(opinion.num_voters, 'voter')}")
        )
    return figures


def community_data(document: Document, opinions: Opinions) -> dict[str, Any]:
    """The same for programs: voters, shares and bounds by candidate and by pair; null below the limit."""
    ids = [card.id for card in document.candidates]
    models = {each: _opinion_data(opinions.of(model_subject(each).key), (SHIP, SKIP)) for each in ids}
    pairs = []
    for first, second in list(itertools.combinations(ids, 2))[:MOST_PAIRS]:
        subject = pair_subject(first, second)
        of_two = _opinion_data(opinions.of(subject.key), (subject.choices[0], subject.choices[1]))
        pairs.append({"candidates": [first, second], **of_two})
    return {"min_voters": MIN_VOTERS, "models": models, "pairs": pairs}


def share_of(opinion: Opinion, choice: str, other: str) -> Share | None:
    """The share of one of two choices; None below the limit. Where nobody chose it, what the other's leaves."""
    if opinion.shares is None:
        return None
    if choice in opinion.shares:
        return opinion.shares[choice]
    opposite = opinion.shares[other]
    value = 1 - opposite.value
    return Share(value, min(value, 1 - opposite.high), max(value, 1 - opposite.low))


def note_of(opinion: Opinion) -> str:
    """What a figure, or its absence, rests on."""
    if opinion.shares is not None:
        return plural(opinion.num_voters, "voter")
    if not opinion.num_voters:
        return "no votes yet"
    return f"{plural(opinion.num_voters, 'voter')}; shown from {MIN_VOTERS}"


def _votable(subject: Subject) -> Subject | None:
    return subject if len(subject.key) <= LONGEST_SUBJECT else None


def _model_vote(name: Name, subject: Subject, opinion: Opinion) -> VoteView:
    choices = (
        _choice(SHIP, "Ship", None, share_of(opinion, SHIP, SKIP)),
        _choice(SKIP, "Skip", None, share_of(opinion, SKIP, SHIP)),
    )
    return VoteView(subject.key, f"Would you ship {name.text}?", (name,), choices, note_of(opinion))


def _pair_vote(first: Name, second: Name, subject: Subject, opinion: Opinion) -> VoteView:
    choices = (
        _choice(first.id, first.text, first, share_of(opinion, first.id, second.id)),
        _choice(second.id, second.text, second, share_of(opinion, second.id, first.id)),
    )
    question = f"Which of the two would you ship, {first.text} or {second.text}?"
    return VoteView(subject.key, question, (first, second), choices, note_of(opinion))


def _choice(value: str, label: str, name: Name | None, share: Share | None) -> ChoiceView:
    if share is None:
        return ChoiceView(value, label, name, "", "", None)
    bar = Bar(100 * share.low, 100 * (share.high - share.low), 100 * share.value)
    return ChoiceView(value, label, name, _percent(share.value), _interval(share), bar)


def _opinion_data(opinion: Opinion, choices: tuple[str, str]) -> dict[str, Any]:
    one, other = choices
    shares = {one: share_of(opinion, one, other), other: share_of(opinion, other, one)}
    return {
        "num_voters": opinion.num_voters,
        "shares": None
        if opinion.shares is None
        else {
            choice: {"value": share.value, "low": share.low, "high": share.high}
            for choice, share in shares.items()
            if share is not None
        },
    }


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%"


def _interval(share: Share) -> str:
    return f"{100 * share.low:.0f}–{100 * share.high:.0f}%"
