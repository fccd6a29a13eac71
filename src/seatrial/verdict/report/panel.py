"""The panel on the page: the candidates' cards, the scorecard with every ballot, and where the reviewers split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seatrial.verdict.document import Ballot, CandidateCard, CriterionResult, Document, Outcome
from seatrial.verdict.report.figures import NONE, claim_value, plural
from seatrial.verdict.report.footnotes import Footnotes
from seatrial.verdict.report.names import Name, listed
from seatrial.verdict.report.plots.plot import workload_title

VOTES = {"ship": "Ship", "skip": "Skip", "abstain": "Abstains"}
RUNS = {"local": "On your machine", "hosted": "Hosted, by API", "baseline": "No model at all"}
OUTCOMES: tuple[Outcome, ...] = ("pass", "fail", "unknown")
NUM_ARGUMENTS = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """One reviewer's vote, as a mark."""

    reviewer: str
    vote: str
    label: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What a candidate reached on one workload, as the card sums it up."""

    workload: str
    value: str
    has_data: bool


@dataclass(frozen=True, slots=True)
class Community:
    """What visitors would ship: a percentage as text, or a dash, and what it rests on."""

    figure: str
    note: str


@dataclass(frozen=True, slots=True)
class Card:
    """A candidate's card. `ship` is the panel's percentage as text, `ballots` what it rests on.

    `community` is None on a page that takes no votes.
    """

    name: Name
    card: CandidateCard
    category: str
    runs: str
    entry: str
    is_picked: bool
    ship: str
    ballots: str
    marks: list[Mark]
    not_measured: Markup
    qualities: list[Quality]
    notices: list[Markup]
    community: Community | None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rubric, applied."""

    outcome: str
    question: str
    finding: Markup
    veto: bool


@dataclass(frozen=True, slots=True)
class BallotView:
    """One ballot as shown. `tally` sums up its criteria."""

    mark: Mark
    vetoed: bool
    prose: Markup
    tally: str
    criteria: list[Criterion]


@dataclass(frozen=True, slots=True)
class ScorecardRow:
    """All ballots on one candidate, in the order of the reviewers; None where a reviewer cast none."""

    name: Name
    ship: str
    ballots: str
    votes: list[BallotView | None]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Reviewers × candidates. `concerns` says, by reviewer, what the rubric looks at."""

    reviewers: list[str]
    concerns: dict[str, str]
    rows: list[ScorecardRow]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a split: who stands on it and on what."""

    vote: str
    label: str
    reviewers: str
    arguments: list[Markup]


@dataclass(frozen=True, slots=True)
class Split:
    """Where the panel disagrees about a candidate: a shipping side and a skipping one."""

    name: Name
    headline: str
    sides: list[Side]
    abstained: str


def view_cards(
    document: Document, names: Mapping[str, Name], notes: Footnotes, community: Mapping[str, Community]
) -> list[Card]:
    """A card per candidate, in the document's order; `community` by candidate."""
    cards = []
    for card in document.candidates:
        ship, ballots = _panel_figure(document, card.id)
        cards.append(
            Card(
                name=names[card.id],
                card=card,
                category=card.category[:1].upper() + card.category[1:],
                runs=RUNS[card.runs],
                entry=card.entry.capitalize(),
                is_picked=card.id == document.verdict.candidate or card.id in document.verdict.mix,
                ship=ship,
                ballots=ballots,
                marks=[_mark(ballot) for ballot in document.ballots if ballot.candidate == card.id],
                not_measured=notes.text(card.not_measured),
                qualities=_qualities(document, card.id),
                notices=[notes.prose(notice) for notice in card.notices],
                community=community.get(card.id),
            )
        )
    return cards


def view_scorecard(document: Document, names: Mapping[str, Name], notes: Footnotes) -> Scorecard:
    """Every ballot, by candidate and reviewer."""
    reviewers = list(dict.fromkeys(ballot.reviewer for ballot in document.ballots))
    cast = {(ballot.candidate, ballot.reviewer): ballot for ballot in document.ballots}
    rows = []
    for candidate, name in names.items():
        votes = [cast.get((candidate, reviewer)) for reviewer in reviewers]
        if any(votes):
            ship, ballots = _panel_figure(document, candidate)
            shown = [_ballot(ballot, notes) if ballot else None for ballot in votes]
            rows.append(ScorecardRow(name=name, ship=ship, ballots=ballots, votes=shown))
    return Scorecard(reviewers=reviewers, concerns=_concerns(document.ballots), rows=rows)


def view_splits(document: Document, names: Mapping[str, Name], notes: Footnotes) -> list[Split]:
    """The candidates about whom reviewers disagree, the most evenly split first."""
    splits = []
    for candidate, name in names.items():
        ballots = [ballot for ballot in document.ballots if ballot.candidate == candidate]
        ships = [ballot for ballot in ballots if ballot.vote == "ship"]
        skips = [ballot for ballot in ballots if ballot.vote == "skip"]
        if ships and skips:
            abstained = [reviewer_title(ballot.reviewer) for ballot in ballots if ballot.vote == "abstain"]
            split = Split(
                name=name,
                headline=f"{len(ships)} to {len(skips)}",
                sides=[_side("ship", ships, "pass", notes), _side("skip", skips, "fail", notes)],
                abstained=f"{listed(abstained)} {'abstains' if len(abstained) == 1 else 'abstain'}"
                if abstained
                else "",
            )
            splits.append((abs(len(ships) - len(skips)), split))
    return [split for _, split in sorted(splits, key=lambda pair: pair[0])]


def reviewer_title(reviewer: str) -> str:
    """`builder` as "Builder"."""
    return _words(reviewer).capitalize() if reviewer.islower() else reviewer


def _qualities(document: Document, candidate: str) -> list[Quality]:
    return [
        Quality(workload_title(claim.workload, document.workloads), claim_value(claim), claim.value is not None)
        for claim in document.claims
        if claim.candidate == candidate and claim.key == "quality" and claim.kind == "measured"
    ]


def _panel_figure(document: Document, candidate: str) -> tuple[str, str]:
    panel = document.panel.get(candidate)
    if panel is None or panel.ship_pct is None or not panel.cast:
        return NONE, "no ballots cast"
    return f"{panel.ship_pct:.0f}%", f"{panel.ships} of {plural(panel.cast, 'ballot')}"


def _mark(ballot: Ballot) -> Mark:
    return Mark(reviewer=reviewer_title(ballot.reviewer), vote=ballot.vote, label=VOTES[ballot.vote])


def _ballot(ballot: Ballot, notes: Footnotes) -> BallotView:
    outcomes = Counter(criterion.outcome for criterion in ballot.criteria)
    return BallotView(
        mark=_mark(ballot),
        vetoed=ballot.vetoed,
        prose=notes.prose(ballot.spans) if ballot.spans else Markup.escape(ballot.text),
        tally=", ".join(f"{outcomes[outcome]} {outcome}" for outcome in OUTCOMES if outcomes[outcome]),
        criteria=[
            Criterion(
                outcome=criterion.outcome,
                question=criterion.question or _words(criterion.name),
                finding=notes.prose(criterion.finding),
                veto=criterion.veto,
            )
            for criterion in ballot.criteria
        ],
    )


def _concerns(ballots: Sequence[Ballot]) -> dict[str, str]:
    names: dict[str, dict[str, None]] = {}
    for ballot in ballots:
        names.setdefault(ballot.reviewer, {}).update((_words(c.name), None) for c in ballot.criteria)
    return {reviewer: ", ".join(found) for reviewer, found in names.items()}


def _side(vote: str, ballots: Sequence[Ballot], outcome: str, notes: Footnotes) -> Side:
    """The weightiest criteria that carried these ballots, each argument once; vetoes first."""
    decisive = [
        criterion
        for ballot in ballots
        for criterion in ballot.criteria
        if criterion.outcome == outcome and criterion.finding
    ]
    decisive.sort(key=lambda criterion: (outcome == "fail" and criterion.veto, criterion.weight), reverse=True)
    arguments = dict.fromkeys(_argument(criterion, notes) for criterion in decisive)
    reviewers = [reviewer_title(ballot.reviewer) for ballot in ballots]
    verb = {"ship": ("ships", "ship"), "skip": ("skips", "skip")}[vote][len(ballots) > 1]
    return Side(vote=vote, label=verb, reviewers=listed(reviewers), arguments=list(arguments)[:NUM_ARGUMENTS])


def _argument(criterion: CriterionResult, notes: Footnotes) -> Markup:
    return notes.prose(criterion.finding)


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")
